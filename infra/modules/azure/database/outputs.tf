output "host" {
  description = "Host."
  value       = azurerm_postgresql_flexible_server.this.fqdn
}

output "secret_ref" {
  description = "Where the password lies."
  value       = azurerm_key_vault_secret.this.versionless_id
}
