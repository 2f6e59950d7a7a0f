provider "google" {
  project = var.account
  region  = var.region
}

locals {
  tags = merge(var.tags, { cluster = var.cluster_name, environment = var.environment, managed-by = "terraform" })
}

module "network" {
  source = "../../modules/gcp/network"
  name   = var.cluster_name
  region = var.region
  cidr   = var.network_cidr
}

module "keys" {
  source  = "../../modules/gcp/keys"
  name    = var.cluster_name
  project = var.account
  region  = var.region
}

module "cluster" {
  source              = "../../modules/gcp/cluster"
  name                = var.cluster_name
  project             = var.account
  region              = var.region
  zones               = var.zones
  kubernetes_version  = var.kubernetes_version
  network_id          = module.network.id
  subnet_id           = module.network.subnet_id
  key_id              = module.keys.data_id
  api_cidrs           = var.api_cidrs
  admins              = var.admins
  node_size           = var.node_size
  node_count          = var.node_count
  node_disk_gib       = var.node_disk_gib
  deletion_protection = var.deletion_protection
  labels              = local.tags
}

module "database" {
  source              = "../../modules/gcp/database"
  name                = var.cluster_name
  project             = var.account
  region              = var.region
  network_id          = module.network.id
  peering             = module.network.peering
  key_id              = module.keys.data_id
  size                = var.database_size
  storage_gib         = var.database_storage_gib
  deletion_protection = var.deletion_protection
  labels              = local.tags
}

module "object_store" {
  source              = "../../modules/gcp/object-store"
  name                = var.cluster_name
  project             = var.account
  region              = var.region
  key_id              = module.keys.data_id
  deletion_protection = var.deletion_protection
  labels              = local.tags
}

module "registry" {
  source  = "../../modules/gcp/registry"
  name    = var.cluster_name
  project = var.account
  region  = var.region
  key_id  = module.keys.data_id
  labels  = local.tags
}

module "dns" {
  source  = "../../modules/gcp/dns"
  name    = var.cluster_name
  project = var.account
  zone    = var.dns_zone
  labels  = local.tags
}

module "identities" {
  source       = "../../modules/gcp/identities"
  name         = var.cluster_name
  project      = var.account
  cluster_name = module.cluster.name
  bucket       = module.object_store.name
  vault_key_id = module.keys.vault_id
}
