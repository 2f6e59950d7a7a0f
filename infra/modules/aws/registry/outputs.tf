output "address" {
  description = "Host of the registry."
  value       = split("/", aws_ecr_repository.this[var.repositories[0]].repository_url)[0]
}
