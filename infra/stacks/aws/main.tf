provider "aws" {
  region              = var.region
  allowed_account_ids = [var.account]

  default_tags {
    tags = local.tags
  }
}

locals {
  tags = merge(var.tags, { cluster = var.cluster_name, environment = var.environment, managed-by = "terraform" })
}

module "network" {
  source = "../../modules/aws/network"
  name   = var.cluster_name
  region = var.region
  zones  = var.zones
  cidr   = var.network_cidr
}

module "keys" {
  source               = "../../modules/aws/keys"
  name                 = var.cluster_name
  deletion_window_days = var.deletion_protection ? 30 : 7
}

module "cluster" {
  source              = "../../modules/aws/cluster"
  name                = var.cluster_name
  kubernetes_version  = var.kubernetes_version
  subnet_ids          = module.network.private_subnet_ids
  key_arn             = module.keys.data_arn
  api_cidrs           = var.api_cidrs
  admins              = var.admins
  node_size           = var.node_size
  node_count          = var.node_count
  node_disk_gib       = var.node_disk_gib
  deletion_protection = var.deletion_protection
}

module "database" {
  source              = "../../modules/aws/database"
  name                = var.cluster_name
  vpc_id              = module.network.vpc_id
  cidr                = var.network_cidr
  subnet_ids          = module.network.private_subnet_ids
  key_arn             = module.keys.data_arn
  size                = var.database_size
  storage_gib         = var.database_storage_gib
  deletion_protection = var.deletion_protection
}

module "object_store" {
  source              = "../../modules/aws/object-store"
  name                = var.cluster_name
  account             = var.account
  key_arn             = module.keys.data_arn
  deletion_protection = var.deletion_protection
}

module "registry" {
  source       = "../../modules/aws/registry"
  name         = var.cluster_name
  repositories = ["fawkes", "apps"]
  key_arn      = module.keys.data_arn
}

module "dns" {
  source = "../../modules/aws/dns"
  zone   = var.dns_zone
}

module "identities" {
  source            = "../../modules/aws/identities"
  name              = module.cluster.name
  oidc_issuer       = module.cluster.oidc_issuer
  oidc_provider_arn = module.cluster.oidc_provider_arn
  zone_arn          = module.dns.arn
  bucket_arn        = module.object_store.arn
  vault_key_arn     = module.keys.vault_arn
  data_key_arn      = module.keys.data_arn
  region            = var.region
  account           = var.account
}
