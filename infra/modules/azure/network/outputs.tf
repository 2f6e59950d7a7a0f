output "id" {
  description = "The network."
  value       = azurerm_virtual_network.this.id
}

output "nodes_subnet_id" {
  description = "Subnet of the nodes."
  value       = azurerm_subnet.nodes.id
}

output "database_subnet_id" {
  description = "Subnet of the database."
  value       = azurerm_subnet.database.id
}
