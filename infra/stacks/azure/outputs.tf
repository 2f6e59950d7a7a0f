output "cluster_name" {
  description = "Name of the cluster."
  value       = module.cluster.name
}

output "kubeconfig" {
  description = "How kubectl reaches the cluster; kubelogin fetches the credential."
  value = yamlencode({
    apiVersion        = "v1"
    kind              = "Config"
    "current-context" = var.cluster_name
    clusters          = [{ name = var.cluster_name, cluster = { server = module.cluster.endpoint } }]
    contexts          = [{ name = var.cluster_name, context = { cluster = var.cluster_name, user = var.cluster_name } }]
    users = [{ name = var.cluster_name, user = { exec = {
      apiVersion      = "client.authentication.k8s.io/v1"
      command         = "kubelogin"
      args            = ["get-token", "--login", "azurecli", "--server-id", "6dae42f8-4368-4678-94ff-3960e28e3630"]
      interactiveMode = "IfAvailable"
    } } }]
  })
}

output "oidc_issuer" {
  description = "Issuer of the cluster's service-account tokens."
  value       = module.cluster.oidc_issuer
}

output "dns_zone" {
  description = "Zone under which the cluster is reached."
  value       = module.dns.name
}

output "registry" {
  description = "What stands before the name of an image."
  value       = "${module.registry.address}/fawkes"
}

output "database" {
  description = "The database, and where its password lies."
  value       = { host = module.database.host, port = 5432, secret_ref = module.database.secret_ref }
}

output "object_store" {
  description = "Where objects are kept."
  value       = module.object_store.url
}

output "vault_unseal" {
  description = "Key that unseals Vault."
  value       = module.keys.unseal
}
