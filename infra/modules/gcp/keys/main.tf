# One key for what is stored, one that unseals Vault.

resource "google_kms_key_ring" "this" {
  name     = var.name
  project  = var.project
  location = var.region
}

resource "google_kms_crypto_key" "this" {
  for_each        = toset(["data", "vault"])
  name            = each.key
  key_ring        = google_kms_key_ring.this.id
  rotation_period = "7776000s"

  lifecycle {
    prevent_destroy = true
  }
}
