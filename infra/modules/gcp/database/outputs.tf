output "host" {
  description = "Host."
  value       = google_sql_database_instance.this.private_ip_address
}

output "secret_ref" {
  description = "Where the password lies."
  value       = google_secret_manager_secret.this.id
}
