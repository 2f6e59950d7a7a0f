output "data_id" {
  description = "Key of what is stored."
  value       = google_kms_crypto_key.this["data"].id
}

output "vault_id" {
  description = "Key that unseals Vault."
  value       = google_kms_crypto_key.this["vault"].id
}
