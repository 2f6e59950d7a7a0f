# An identity for each program in the cluster that speaks to Azure. It is had by the token of one service account; no
# key lies anywhere.

locals {
  identities = {
    external-secrets = { subject = "fawkes-security:external-secrets", scope = var.key_vault_id, role = "Key Vault Secrets User" }
    cert-manager     = { subject = "cert-manager:cert-manager", scope = var.zone_id, role = "DNS Zone Contributor" }
    vault            = { subject = "fawkes-security:vault", scope = var.key_vault_id, role = "Key Vault Crypto User" }
    backup           = { subject = "fawkes-platform:backup", scope = var.storage_id, role = "Storage Blob Data Contributor" }
  }
}

resource "azurerm_user_assigned_identity" "this" {
  for_each            = local.identities
  name                = "${var.name}-${each.key}"
  resource_group_name = var.group
  location            = var.region
  tags                = var.tags
}

resource "azurerm_federated_identity_credential" "this" {
  for_each            = local.identities
  name                = each.key
  resource_group_name = var.group
  parent_id           = azurerm_user_assigned_identity.this[each.key].id
  audience            = ["api://AzureADTokenExchange"]
  issuer              = var.oidc_issuer
  subject             = "system:serviceaccount:${each.value.subject}"
}

resource "azurerm_role_assignment" "this" {
  for_each             = local.identities
  scope                = each.value.scope
  role_definition_name = each.value.role
  principal_id         = azurerm_user_assigned_identity.this[each.key].principal_id
}
