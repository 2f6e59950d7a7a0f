# A service account for each program in the cluster that speaks to Google. It is had by the token of one service account
# of the cluster; no key lies anywhere.

locals {
  identities = {
    external-secrets = "fawkes-security:external-secrets"
    cert-manager     = "cert-manager:cert-manager"
    vault            = "fawkes-security:vault"
    backup           = "fawkes-platform:backup"
  }
}

resource "google_service_account" "this" {
  for_each     = local.identities
  project      = var.project
  account_id   = "c${substr(sha256(var.name), 0, 8)}-${each.key}" # 30 characters at most
  display_name = "${each.key} of ${var.cluster_name}"
}

resource "google_service_account_iam_member" "this" {
  for_each           = local.identities
  service_account_id = google_service_account.this[each.key].name
  role               = "roles/iam.workloadIdentityUser"
  member             = "serviceAccount:${var.project}.svc.id.goog[${replace(each.value, ":", "/")}]"
}

resource "google_project_iam_member" "external_secrets" {
  project = var.project
  role    = "roles/secretmanager.secretAccessor"
  member  = "serviceAccount:${google_service_account.this["external-secrets"].email}"
}

resource "google_project_iam_member" "cert_manager" {
  project = var.project
  role    = "roles/dns.admin"
  member  = "serviceAccount:${google_service_account.this["cert-manager"].email}"
}

resource "google_kms_crypto_key_iam_member" "vault" {
  crypto_key_id = var.vault_key_id
  role          = "roles/cloudkms.cryptoKeyEncrypterDecrypter"
  member        = "serviceAccount:${google_service_account.this["vault"].email}"
}

resource "google_storage_bucket_iam_member" "backup" {
  bucket = var.bucket
  role   = "roles/storage.objectAdmin"
  member = "serviceAccount:${google_service_account.this["backup"].email}"
}
