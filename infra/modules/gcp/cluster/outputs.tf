output "name" {
  description = "Name of the cluster."
  value       = google_container_cluster.this.name
}

output "endpoint" {
  description = "Address of the API."
  value       = "https://${google_container_cluster.this.endpoint}"
}

output "ca" {
  description = "Certificate of the API, in base64."
  value       = google_container_cluster.this.master_auth[0].cluster_ca_certificate
}

output "oidc_issuer" {
  description = "Issuer of service-account tokens."
  value       = "https://container.googleapis.com/v1/${google_container_cluster.this.id}"
}
