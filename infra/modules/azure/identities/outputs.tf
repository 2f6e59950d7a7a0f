output "client_ids" {
  description = "Identity of each program."
  value       = { for name, i in azurerm_user_assigned_identity.this : name => i.client_id }
}
