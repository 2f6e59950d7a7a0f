# PostgreSQL with no public address. Google makes no password, so Terraform does; it lies in Secret Manager, and in the
# state, which is encrypted.

resource "random_password" "this" {
  length  = 32
  special = false
}

resource "google_secret_manager_secret" "this" {
  project   = var.project
  secret_id = "${var.name}-database-password"
  labels    = var.labels

  replication {
    user_managed {
      replicas {
        location = var.region
        customer_managed_encryption {
          kms_key_name = var.key_id
        }
      }
    }
  }
}

resource "google_secret_manager_secret_version" "this" {
  secret      = google_secret_manager_secret.this.id
  secret_data = random_password.this.result
}

resource "google_sql_database_instance" "this" {
  name                = var.name
  project             = var.project
  region              = var.region
  database_version    = "POSTGRES_17"
  encryption_key_name = var.key_id
  deletion_protection = var.deletion_protection

  settings {
    edition                     = "ENTERPRISE"
    tier                        = var.size
    availability_type           = "REGIONAL"
    disk_size                   = var.storage_gib
    disk_type                   = "PD_SSD"
    deletion_protection_enabled = var.deletion_protection
    # The address of a peered network exists once the peering does.
    user_labels = merge(var.labels, { peering = substr(sha256(var.peering), 0, 8) })

    ip_configuration {
      ipv4_enabled    = false
      private_network = var.network_id
      ssl_mode        = "ENCRYPTED_ONLY"
    }

    backup_configuration {
      enabled                        = true
      point_in_time_recovery_enabled = true
    }
  }
}

resource "google_sql_user" "this" {
  project  = var.project
  instance = google_sql_database_instance.this.name
  name     = "fawkes"
  password = random_password.this.result
}
