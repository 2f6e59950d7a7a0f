resource "google_artifact_registry_repository" "this" {
  project       = var.project
  location      = var.region
  repository_id = var.name
  format        = "DOCKER"
  kms_key_name  = var.key_id
  labels        = var.labels

  docker_config {
    immutable_tags = true
  }
}
