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

variable "vault_name" {
  description = "Name of the key vault, unique in Azure."
  type        = string
}

variable "subnet_id" {
  description = "Subnet that reaches the key vault."
  type        = string
}

variable "allowed_cidrs" {
  description = "Who beside the subnet reaches it."
  type        = list(string)
}

variable "admins" {
  description = "Object ids of who administers it."
  type        = list(string)
}

variable "deletion_protection" {
  description = "Whether it refuses to be deleted."
  type        = bool
}

variable "tags" {
  description = "Tags."
  type        = map(string)
}
