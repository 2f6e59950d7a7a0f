resource "google_dns_managed_zone" "this" {
  name     = var.name
  project  = var.project
  dns_name = "${var.zone}."
  labels   = var.labels

  dnssec_config {
    state = "on"
  }
}
