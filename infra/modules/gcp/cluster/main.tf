# The cluster: its API is private unless networks are named, its secrets and disks are encrypted, its nodes are private.

resource "google_container_cluster" "this" {
  name                     = var.name
  project                  = var.project
  location                 = var.region
  node_locations           = var.zones
  min_master_version       = var.kubernetes_version
  network                  = var.network_id
  subnetwork               = var.subnet_id
  networking_mode          = "VPC_NATIVE"
  datapath_provider        = "ADVANCED_DATAPATH"
  initial_node_count       = 1
  remove_default_node_pool = true
  deletion_protection      = var.deletion_protection
  enable_shielded_nodes    = true
  resource_labels          = var.labels

  # The pool that Google makes first, and that is removed, is as private as the one that stays.
  node_config {
    boot_disk_kms_key = var.key_id
  }

  ip_allocation_policy {
    stack_type = "IPV4"
  }

  private_cluster_config {
    enable_private_nodes    = true
    enable_private_endpoint = length(var.api_cidrs) == 0
  }

  master_authorized_networks_config {
    dynamic "cidr_blocks" {
      for_each = var.api_cidrs
      content {
        cidr_block = cidr_blocks.value
      }
    }
  }

  database_encryption {
    state    = "ENCRYPTED"
    key_name = var.key_id
  }

  workload_identity_config {
    workload_pool = "${var.project}.svc.id.goog"
  }

  release_channel {
    channel = "REGULAR"
  }

  addons_config {
    gce_persistent_disk_csi_driver_config {
      enabled = true
    }
  }
}

resource "google_service_account" "node" {
  project      = var.project
  account_id   = "${var.name}-node"
  display_name = "Nodes of ${var.name}"
}

resource "google_project_iam_member" "node" {
  for_each = toset(["roles/container.defaultNodeServiceAccount", "roles/artifactregistry.reader"])
  project  = var.project
  role     = each.key
  member   = "serviceAccount:${google_service_account.node.email}"
}

resource "google_project_iam_member" "admin" {
  for_each = toset(var.admins)
  project  = var.project
  role     = "roles/container.admin"
  member   = each.key
}

resource "google_container_node_pool" "main" {
  name           = "main"
  project        = var.project
  location       = var.region
  cluster        = google_container_cluster.this.name
  node_locations = var.zones
  # A count is of each zone.
  node_count = ceil(var.node_count / length(var.zones))

  management {
    auto_repair  = true
    auto_upgrade = true
  }

  network_config {
    enable_private_nodes = true
  }

  node_config {
    machine_type      = var.node_size
    disk_size_gb      = var.node_disk_gib
    disk_type         = "pd-balanced"
    boot_disk_kms_key = var.key_id
    service_account   = google_service_account.node.email
    oauth_scopes      = ["https://www.googleapis.com/auth/cloud-platform"]
    resource_labels   = var.labels

    shielded_instance_config {
      enable_secure_boot          = true
      enable_integrity_monitoring = true
    }

    workload_metadata_config {
      mode = "GKE_METADATA"
    }
  }
}
