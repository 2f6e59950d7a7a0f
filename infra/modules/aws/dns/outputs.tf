output "name" {
  description = "Name of the zone."
  value       = aws_route53_zone.this.name
}

output "arn" {
  description = "The zone."
  value       = aws_route53_zone.this.arn
}
