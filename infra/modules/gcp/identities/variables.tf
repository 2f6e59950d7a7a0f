variable "name" {
  description = "Name of the cluster."
  type        = string
}

variable "project" {
  description = "Google project."
  type        = string
}

variable "cluster_name" {
  description = "The cluster, once it is there."
  type        = string
}

variable "bucket" {
  description = "The bucket."
  type        = string
}

variable "vault_key_id" {
  description = "Key that unseals Vault."
  type        = string
}
