output "data_arn" {
  description = "Key of what is stored."
  value       = aws_kms_key.this["data"].arn
}

output "vault_arn" {
  description = "Key that unseals Vault."
  value       = aws_kms_key.this["vault"].arn
}
