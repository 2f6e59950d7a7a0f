output "id" {
  description = "The storage account."
  value       = azurerm_storage_account.this.id
}

output "url" {
  description = "Address of the container."
  value       = "${azurerm_storage_account.this.primary_blob_endpoint}${azurerm_storage_container.this.name}"
}
