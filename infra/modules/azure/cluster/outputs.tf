output "name" {
  description = "Name of the cluster."
  value       = azurerm_kubernetes_cluster.this.name
}

output "endpoint" {
  description = "Address of the API."
  value       = "https://${coalesce(azurerm_kubernetes_cluster.this.private_fqdn, azurerm_kubernetes_cluster.this.fqdn)}:443"
}

output "oidc_issuer" {
  description = "Issuer of service-account tokens."
  value       = azurerm_kubernetes_cluster.this.oidc_issuer_url
}

output "kubelet_object_id" {
  description = "Who pulls images."
  value       = azurerm_kubernetes_cluster.this.kubelet_identity[0].object_id
}
