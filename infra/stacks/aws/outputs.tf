output "cluster_name" {
  description = "Name of the cluster."
  value       = module.cluster.name
}

output "kubeconfig" {
  description = "How kubectl reaches the cluster; the AWS command line fetches the credential."
  value = yamlencode({
    apiVersion        = "v1"
    kind              = "Config"
    "current-context" = var.cluster_name
    clusters          = [{ name = var.cluster_name, cluster = { server = module.cluster.endpoint, "certificate-authority-data" = module.cluster.ca } }]
    contexts          = [{ name = var.cluster_name, context = { cluster = var.cluster_name, user = var.cluster_name } }]
    users = [{ name = var.cluster_name, user = { exec = {
      apiVersion      = "client.authentication.k8s.io/v1"
      command         = "aws"
      args            = ["eks", "get-token", "--cluster-name", var.cluster_name, "--region", var.region]
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
  value       = "${module.registry.address}/${var.cluster_name}"
}

output "database" {
  description = "The database, and where its password lies."
  value       = { host = module.database.host, port = module.database.port, secret_ref = module.database.secret_ref }
}

output "object_store" {
  description = "Where objects are kept."
  value       = "s3://${module.object_store.name}"
}

output "vault_unseal" {
  description = "Key that unseals Vault."
  value       = "awskms:${module.keys.vault_arn}"
}
