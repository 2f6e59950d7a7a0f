# A laptop's cluster. Terraform makes nothing here: it works out what k3d is to make, and gives the outputs that every
# stack gives. The resource keeps k3d's configuration, so that a plan shows when it changes.

locals {
  registry      = "k3d-${var.cluster_name}-registry:5000"
  agents        = max(var.node_count - 1, 0)
  database_host = "postgresql.${var.cluster_name}.internal"

  config = yamlencode({
    apiVersion = "k3d.io/v1alpha5"
    kind       = "Simple"
    metadata   = { name = var.cluster_name }
    servers    = 1
    agents     = local.agents
    kubeAPI    = { host = "127.0.0.1", hostIP = "127.0.0.1", hostPort = "6550" }
    ports = [
      { port = "127.0.0.1:8080:80", nodeFilters = ["loadbalancer"] },
      { port = "127.0.0.1:8443:443", nodeFilters = ["loadbalancer"] },
    ]
    registries = {
      create = { name = "k3d-${var.cluster_name}-registry", host = "127.0.0.1", hostPort = "5000" }
    }
    options = {
      k3s = {
        extraArgs = [
          { arg = "--secrets-encryption", nodeFilters = ["server:*"] },
          { arg = "--disable=traefik", nodeFilters = ["server:*"] },
        ]
      }
    }
  })
}

resource "terraform_data" "cluster" {
  input = {
    config = local.config
    tags   = merge(var.tags, { environment = var.environment, cluster = var.cluster_name })
  }
}
