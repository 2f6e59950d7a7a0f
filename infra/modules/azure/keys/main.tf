# One key for what is stored, one that unseals Vault. The identity reads the first for disks and database.

resource "azurerm_user_assigned_identity" "data" {
  name                = "${var.name}-data"
  resource_group_name = var.group
  location            = var.region
  tags                = var.tags
}

resource "azurerm_key_vault" "this" {
  name                          = var.vault_name
  resource_group_name           = var.group
  location                      = var.region
  tenant_id                     = azurerm_user_assigned_identity.data.tenant_id
  sku_name                      = "premium"
  rbac_authorization_enabled    = true
  purge_protection_enabled      = var.deletion_protection
  soft_delete_retention_days    = 90
  public_network_access_enabled = length(var.allowed_cidrs) > 0
  tags                          = var.tags

  network_acls {
    bypass                     = "AzureServices"
    default_action             = "Deny"
    ip_rules                   = var.allowed_cidrs
    virtual_network_subnet_ids = [var.subnet_id]
  }
}

resource "azurerm_role_assignment" "admin" {
  for_each             = toset(var.admins)
  scope                = azurerm_key_vault.this.id
  role_definition_name = "Key Vault Administrator"
  principal_id         = each.key
}

resource "azurerm_role_assignment" "data" {
  scope                = azurerm_key_vault.this.id
  role_definition_name = "Key Vault Crypto Service Encryption User"
  principal_id         = azurerm_user_assigned_identity.data.principal_id
}

resource "azurerm_key_vault_key" "this" {
  for_each     = toset(["data", "vault"])
  name         = each.key
  key_vault_id = azurerm_key_vault.this.id
  key_type     = "RSA-HSM"
  key_size     = 3072
  key_opts     = ["decrypt", "encrypt", "unwrapKey", "wrapKey"]
  depends_on   = [azurerm_role_assignment.admin]
}
