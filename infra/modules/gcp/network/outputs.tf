output "id" {
  description = "The network."
  value       = google_compute_network.this.id
}

output "subnet_id" {
  description = "Subnet of the nodes."
  value       = google_compute_subnetwork.nodes.id
}

output "peering" {
  description = "The way to the database."
  value       = google_service_networking_connection.this.id
}
