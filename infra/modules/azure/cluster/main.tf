# The cluster: its API is private unless networks are named, its disks are encrypted, its nodes are private, and nobody
# signs in but through Entra.

resource "azurerm_disk_encryption_set" "this" {
  name                = var.name
  resource_group_name = var.group
  location            = var.region
  key_vault_key_id    = var.key_id
  tags                = var.tags

  identity {
    type         = "UserAssigned"
    identity_ids = [var.identity_id]
  }
}

resource "azurerm_kubernetes_cluster" "this" {
  name                      = var.name
  resource_group_name       = var.group
  location                  = var.region
  dns_prefix                = var.name
  kubernetes_version        = var.kubernetes_version
  private_cluster_enabled   = length(var.api_cidrs) == 0
  local_account_disabled    = true
  oidc_issuer_enabled       = true
  workload_identity_enabled = true
  disk_encryption_set_id    = azurerm_disk_encryption_set.this.id
  azure_policy_enabled      = true
  tags                      = var.tags

  dynamic "api_server_access_profile" {
    for_each = length(var.api_cidrs) > 0 ? [var.api_cidrs] : []
    content {
      authorized_ip_ranges = api_server_access_profile.value
    }
  }

  azure_active_directory_role_based_access_control {
    azure_rbac_enabled     = true
    admin_group_object_ids = var.admins
  }

  default_node_pool {
    name                    = "main"
    vm_size                 = var.node_size
    node_count              = var.node_count
    zones                   = var.zones
    vnet_subnet_id          = var.subnet_id
    os_disk_size_gb         = var.node_disk_gib
    host_encryption_enabled = true
    node_public_ip_enabled  = false
  }

  identity {
    type = "SystemAssigned"
  }

  network_profile {
    network_plugin      = "azure"
    network_plugin_mode = "overlay"
    network_policy      = "cilium"
    network_data_plane  = "cilium"
    outbound_type       = "userAssignedNATGateway"
  }
}

resource "azurerm_management_lock" "this" {
  count      = var.deletion_protection ? 1 : 0
  name       = "${var.name}-kept"
  scope      = azurerm_kubernetes_cluster.this.id
  lock_level = "CanNotDelete"
}
