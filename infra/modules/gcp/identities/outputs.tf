output "emails" {
  description = "Service account of each program."
  value       = { for name, a in google_service_account.this : name => a.email }
}
