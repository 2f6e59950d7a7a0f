resource "google_storage_bucket" "this" {
  name                        = "${var.project}-${var.name}"
  project                     = var.project
  location                    = var.region
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"
  force_destroy               = !var.deletion_protection
  labels                      = var.labels

  encryption {
    default_kms_key_name = var.key_id
  }

  versioning {
    enabled = true
  }
}
