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

variable "zones" {
  description = "Zones."
  type        = list(string)
}

variable "kubernetes_version" {
  description = "Minor version of Kubernetes."
  type        = string
}

variable "subnet_id" {
  description = "Subnet of the nodes."
  type        = string
}

variable "key_id" {
  description = "Key of the disks."
  type        = string
}

variable "identity_id" {
  description = "Identity that reads the key."
  type        = string
}

variable "api_cidrs" {
  description = "Who beside the network reaches the API."
  type        = list(string)
}

variable "admins" {
  description = "Object ids of the groups that administer the cluster."
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

variable "tags" {
  description = "Tags."
  type        = map(string)
}
