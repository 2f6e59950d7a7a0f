provider "azurerm" {
  subscription_id     = var.account
  storage_use_azuread = true
  features {}
}

locals {
  tags = merge(var.tags, { cluster = var.cluster_name, environment = var.environment, managed-by = "terraform" })
  # Some names must be unique in all of Azure, and have letters and digits only.
  unique = "${substr(replace(var.cluster_name, "-", ""), 0, 12)}${substr(sha256("${var.account}/${var.cluster_name}"), 0, 8)}"
}

resource "azurerm_resource_group" "this" {
  name     = var.cluster_name
  location = var.region
  tags     = local.tags
}

module "network" {
  source = "../../modules/azure/network"
  name   = var.cluster_name
  group  = azurerm_resource_group.this.name
  region = var.region
  cidr   = var.network_cidr
  tags   = local.tags
}

module "keys" {
  source              = "../../modules/azure/keys"
  name                = var.cluster_name
  group               = azurerm_resource_group.this.name
  region              = var.region
  vault_name          = "kv${local.unique}"
  subnet_id           = module.network.nodes_subnet_id
  allowed_cidrs       = var.api_cidrs
  admins              = var.admins
  deletion_protection = var.deletion_protection
  tags                = local.tags
}

module "cluster" {
  source              = "../../modules/azure/cluster"
  name                = var.cluster_name
  group               = azurerm_resource_group.this.name
  region              = var.region
  zones               = var.zones
  kubernetes_version  = var.kubernetes_version
  subnet_id           = module.network.nodes_subnet_id
  key_id              = module.keys.data_key_id
  identity_id         = module.keys.identity_id
  api_cidrs           = var.api_cidrs
  admins              = var.admins
  node_size           = var.node_size
  node_count          = var.node_count
  node_disk_gib       = var.node_disk_gib
  deletion_protection = var.deletion_protection
  tags                = local.tags
}

module "database" {
  source              = "../../modules/azure/database"
  name                = var.cluster_name
  group               = azurerm_resource_group.this.name
  region              = var.region
  network_id          = module.network.id
  subnet_id           = module.network.database_subnet_id
  key_id              = module.keys.data_key_id
  identity_id         = module.keys.identity_id
  key_vault_id        = module.keys.key_vault_id
  size                = var.database_size
  storage_gib         = var.database_storage_gib
  deletion_protection = var.deletion_protection
  tags                = local.tags
}

module "object_store" {
  source       = "../../modules/azure/object-store"
  group        = azurerm_resource_group.this.name
  region       = var.region
  account_name = "st${local.unique}"
  subnet_id    = module.network.nodes_subnet_id
  key_id       = module.keys.data_key_id
  identity_id  = module.keys.identity_id
  tags         = local.tags
}

module "registry" {
  source        = "../../modules/azure/registry"
  group         = azurerm_resource_group.this.name
  region        = var.region
  registry_name = "cr${local.unique}"
  puller        = module.cluster.kubelet_object_id
  tags          = local.tags
}

module "dns" {
  source = "../../modules/azure/dns"
  group  = azurerm_resource_group.this.name
  zone   = var.dns_zone
  tags   = local.tags
}

module "identities" {
  source       = "../../modules/azure/identities"
  name         = var.cluster_name
  group        = azurerm_resource_group.this.name
  region       = var.region
  oidc_issuer  = module.cluster.oidc_issuer
  zone_id      = module.dns.id
  key_vault_id = module.keys.key_vault_id
  storage_id   = module.object_store.id
  tags         = local.tags
}
