variable "name" {
  description = "Name of the cluster."
  type        = string
}

variable "group" {
  description = "Resource group."
  type        = string
}

variable "region" {
  description = "Region."
  type        = string
}

variable "oidc_issuer" {
  description = "Issuer of service-account tokens."
  type        = string
}

variable "zone_id" {
  description = "The DNS zone."
  type        = string
}

variable "key_vault_id" {
  description = "The key vault."
  type        = string
}

variable "storage_id" {
  description = "The storage account."
  type        = string
}

variable "tags" {
  description = "Tags."
  type        = map(string)
}
