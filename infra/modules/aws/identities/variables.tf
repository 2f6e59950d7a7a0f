variable "name" {
  description = "Name of the cluster."
  type        = string
}

variable "oidc_issuer" {
  description = "Issuer of service-account tokens."
  type        = string
}

variable "oidc_provider_arn" {
  description = "The issuer, as IAM knows it."
  type        = string
}

variable "zone_arn" {
  description = "The DNS zone."
  type        = string
}

variable "bucket_arn" {
  description = "The bucket."
  type        = string
}

variable "vault_key_arn" {
  description = "Key that unseals Vault."
  type        = string
}

variable "data_key_arn" {
  description = "Key of what is stored."
  type        = string
}

variable "region" {
  description = "Region."
  type        = string
}

variable "account" {
  description = "AWS account."
  type        = string
}
