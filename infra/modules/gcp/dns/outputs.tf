output "name" {
  description = "Name of the zone."
  value       = trimsuffix(google_dns_managed_zone.this.dns_name, ".")
}
