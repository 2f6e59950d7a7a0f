output "id" {
  description = "The zone."
  value       = azurerm_dns_zone.this.id
}

output "name" {
  description = "Name of the zone."
  value       = azurerm_dns_zone.this.name
}
