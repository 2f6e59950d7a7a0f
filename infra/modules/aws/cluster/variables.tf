variable "name" {
  description = "Name of the cluster."
  type        = string
}

variable "kubernetes_version" {
  description = "Minor version of Kubernetes."
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

variable "api_cidrs" {
  description = "Who beside the network reaches the API."
  type        = list(string)
}

variable "admins" {
  description = "ARNs of who administers the cluster."
  type        = list(string)
}

variable "node_size" {
  description = "Machine type."
  type        = string
}

variable "node_count" {
  description = "Number of nodes."
  type        = number
}

variable "node_disk_gib" {
  description = "Disk of each node, in GiB."
  type        = number
}

variable "deletion_protection" {
  description = "Whether it refuses to be deleted."
  type        = bool
}
