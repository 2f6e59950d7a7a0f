output "key_vault_id" {
  description = "The key vault."
  value       = azurerm_key_vault.this.id
}

output "key_vault_uri" {
  description = "Address of the key vault."
  value       = azurerm_key_vault.this.vault_uri
}

output "data_key_id" {
  description = "Key of what is stored."
  value       = azurerm_key_vault_key.this["data"].id
}

output "unseal" {
  description = "Key that unseals Vault."
  value       = "azurekeyvault:${azurerm_key_vault.this.name}/${azurerm_key_vault_key.this["vault"].name}"
}

output "identity_id" {
  description = "Identity that reads the key of what is stored."
  value       = azurerm_user_assigned_identity.data.id
}
