variable "name" {
  description = "Name of the cluster."
  type        = string
}

variable "vpc_id" {
  description = "The network."
  type        = string
}

variable "cidr" {
  description = "Addresses that reach the database."
  type        = string
}

variable "subnet_ids" {
  description = "Private subnets."
  type        = list(string)
}

variable "key_arn" {
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
