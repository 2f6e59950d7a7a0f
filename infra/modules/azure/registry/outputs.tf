output "address" {
  description = "Host of the registry."
  value       = azurerm_container_registry.this.login_server
}
