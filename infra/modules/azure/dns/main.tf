resource "azurerm_dns_zone" "this" {
  name                = var.zone
  resource_group_name = var.group
  tags                = var.tags
}
