# One key for what is stored, one that unseals Vault: whoever may read disks may not open Vault.

resource "aws_kms_key" "this" {
  for_each                = toset(["data", "vault"])
  description             = "${var.name} ${each.key}"
  enable_key_rotation     = true
  deletion_window_in_days = var.deletion_window_days
}

resource "aws_kms_alias" "this" {
  for_each      = aws_kms_key.this
  name          = "alias/${var.name}-${each.key}"
  target_key_id = each.value.key_id
}
