output "cluster_name" {
  description = "Name of the cluster."
  value       = var.cluster_name
}

output "kubeconfig" {
  description = "A laptop's kubeconfig is written by k3d; this names its context, and holds no credential."
  value = yamlencode({
    apiVersion        = "v1"
    kind              = "Config"
    "current-context" = "k3d-${var.cluster_name}"
    clusters          = [{ name = "k3d-${var.cluster_name}", cluster = { server = "https://127.0.0.1:6550" } }]
    contexts          = [{ name = "k3d-${var.cluster_name}", context = { cluster = "k3d-${var.cluster_name}", user = "admin@k3d-${var.cluster_name}" } }]
  })
}

output "oidc_issuer" {
  description = "Issuer of the cluster's service-account tokens."
  value       = "https://kubernetes.default.svc.cluster.local"
}

output "dns_zone" {
  description = "Zone under which the cluster is reached."
  value       = var.dns_zone
}

output "registry" {
  description = "What stands before the name of an image."
  value       = local.registry
}

output "database" {
  description = "The database runs in the cluster."
  value       = { host = local.database_host, port = 5432, secret_ref = "kubernetes:${var.cluster_name}-database" }
}

output "object_store" {
  description = "A laptop keeps objects in a folder of the node."
  value       = "file:///var/lib/rancher/k3s/storage/${var.cluster_name}"
}

output "vault_unseal" {
  description = "In development mode Vault starts unsealed and keeps nothing."
  value       = "dev"
}
