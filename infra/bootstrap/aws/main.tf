# Made once per account, before any stack: where the state lies, encrypted, with every version kept. The lock is a file
# beside the state (the backend's use_lockfile). Its own state is a file that the operator keeps.

variable "account" {
  description = "AWS account."
  type        = string
}

variable "region" {
  description = "Region of the state."
  type        = string
}

provider "aws" {
  region              = var.region
  allowed_account_ids = [var.account]

  default_tags {
    tags = { managed-by = "terraform", purpose = "terraform-state" }
  }
}

resource "aws_ebs_encryption_by_default" "this" {
  enabled = true # the disks of the region, among them those that the cluster makes for its volumes
}

resource "aws_kms_key" "state" {
  description             = "Terraform state"
  enable_key_rotation     = true
  deletion_window_in_days = 30
}

resource "aws_s3_bucket" "state" {
  bucket = "fawkes-state-${var.account}-${var.region}"

  lifecycle {
    prevent_destroy = true
  }
}

resource "aws_s3_bucket_versioning" "state" {
  bucket = aws_s3_bucket.state.id
  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "state" {
  bucket = aws_s3_bucket.state.id
  rule {
    apply_server_side_encryption_by_default {
      sse_algorithm     = "aws:kms"
      kms_master_key_id = aws_kms_key.state.arn
    }
  }
}

resource "aws_s3_bucket_public_access_block" "state" {
  bucket                  = aws_s3_bucket.state.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

output "backend" {
  description = "Settings for terraform init -backend-config."
  value       = { bucket = aws_s3_bucket.state.id, region = var.region, kms_key_id = aws_kms_key.state.arn }
}
