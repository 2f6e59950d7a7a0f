# PostgreSQL with no public address. Azure makes no password, so Terraform does; it lies in the key vault, and in the
# state, which is encrypted.

resource "azurerm_private_dns_zone" "this" {
  name                = "${var.name}.private.postgres.database.azure.com"
  resource_group_name = var.group
  tags                = var.tags
}

resource "azurerm_private_dns_zone_virtual_network_link" "this" {
  name                  = var.name
  resource_group_name   = var.group
  private_dns_zone_name = azurerm_private_dns_zone.this.name
  virtual_network_id    = var.network_id
  tags                  = var.tags
}

resource "random_password" "this" {
  length  = 32
  special = false
}

resource "azurerm_key_vault_secret" "this" {
  name         = "database-password"
  key_vault_id = var.key_vault_id
  value        = random_password.this.result
  tags         = var.tags
}

resource "azurerm_postgresql_flexible_server" "this" {
  name                          = var.name
  resource_group_name           = var.group
  location                      = var.region
  version                       = "17"
  sku_name                      = var.size
  storage_mb                    = var.storage_gib * 1024
  administrator_login           = "fawkes"
  administrator_password        = random_password.this.result
  delegated_subnet_id           = var.subnet_id
  private_dns_zone_id           = azurerm_private_dns_zone.this.id
  public_network_access_enabled = false
  backup_retention_days         = 14
  tags                          = var.tags

  high_availability {
    mode = "ZoneRedundant"
  }

  identity {
    type         = "UserAssigned"
    identity_ids = [var.identity_id]
  }

  customer_managed_key {
    key_vault_key_id                  = var.key_id
    primary_user_assigned_identity_id = var.identity_id
  }

  depends_on = [azurerm_private_dns_zone_virtual_network_link.this]
}

resource "azurerm_management_lock" "this" {
  count      = var.deletion_protection ? 1 : 0
  name       = "${var.name}-database-kept"
  scope      = azurerm_postgresql_flexible_server.this.id
  lock_level = "CanNotDelete"
}
