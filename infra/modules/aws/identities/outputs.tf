output "role_arns" {
  description = "Role of each program."
  value       = { for name, r in aws_iam_role.this : name => r.arn }
}
