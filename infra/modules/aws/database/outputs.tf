output "host" {
  description = "Host."
  value       = aws_db_instance.this.address
}

output "port" {
  description = "Port."
  value       = aws_db_instance.this.port
}

output "secret_ref" {
  description = "Where the password lies."
  value       = aws_db_instance.this.master_user_secret[0].secret_arn
}
