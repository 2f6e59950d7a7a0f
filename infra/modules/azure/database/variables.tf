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

variable "network_id" {
  description = "The network."
  type        = string
}

variable "subnet_id" {
  description = "Subnet of the database."
  type        = string
}

variable "key_id" {
  description = "Key of its storage."
  type        = string
}

variable "identity_id" {
  description = "Identity that reads the key."
  type        = string
}

variable "key_vault_id" {
  description = "Where the password is kept."
  type        = string
}

variable "size" {
  description = "Machine type."
  type        = string
}

variable "storage_gib" {
  description = "Storage in GiB."
  type        = number
}

variable "deletion_protection" {
  description = "Whether it refuses to be deleted."
  type        = bool
}

variable "tags" {
  description = "Tags."
  type        = map(string)
}
