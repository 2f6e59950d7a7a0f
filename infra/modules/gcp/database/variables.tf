variable "name" {
  description = "Name of the cluster."
  type        = string
}

variable "project" {
  description = "Google project."
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

variable "peering" {
  description = "The way from the network to the database."
  type        = string
}

variable "key_id" {
  description = "Key that encrypts it."
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

variable "labels" {
  description = "Labels."
  type        = map(string)
}
