# Made once per project, before any stack: where the state lies, encrypted, with every version kept. The lock is an
# object beside the state, which the backend always takes. Its own state is a file that the operator keeps.

variable "account" {
  description = "Google project."
  type        = string
}

variable "region" {
  description = "Region of the state."
  type        = string
}

variable "storage_agent" {
  description = "Service agent of Cloud Storage in the project, which uses the key."
  type        = string
}

provider "google" {
  project = var.account
  region  = var.region
}

resource "google_kms_key_ring" "state" {
  name     = "fawkes-state"
  location = var.region
}

resource "google_kms_crypto_key" "state" {
  name            = "state"
  key_ring        = google_kms_key_ring.state.id
  rotation_period = "7776000s"

  lifecycle {
    prevent_destroy = true
  }
}

resource "google_kms_crypto_key_iam_member" "state" {
  crypto_key_id = google_kms_crypto_key.state.id
  role          = "roles/cloudkms.cryptoKeyEncrypterDecrypter"
  member        = "serviceAccount:${var.storage_agent}"
}

resource "google_storage_bucket" "state" {
  name                        = "${var.account}-fawkes-state"
  location                    = var.region
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"

  versioning {
    enabled = true
  }

  encryption {
    default_kms_key_name = google_kms_crypto_key.state.id
  }

  lifecycle {
    prevent_destroy = true
  }

  depends_on = [google_kms_crypto_key_iam_member.state]
}

output "backend" {
  description = "Settings for terraform init -backend-config."
  value       = { bucket = google_storage_bucket.state.name }
}
