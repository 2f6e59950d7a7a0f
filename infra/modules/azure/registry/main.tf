resource "azurerm_container_registry" "this" {
  name                   = var.registry_name
  resource_group_name    = var.group
  location               = var.region
  sku                    = "Premium"
  admin_enabled          = false
  anonymous_pull_enabled = false
  tags                   = var.tags
}

resource "azurerm_role_assignment" "pull" {
  scope                = azurerm_container_registry.this.id
  role_definition_name = "AcrPull"
  principal_id         = var.puller
}
