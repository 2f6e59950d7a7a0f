# The contract's inputs, the same in every stack (contract/cluster.schema.json).

variable "cluster_name" {
  description = "Name of the cluster, and the beginning of the name of all that belongs to it."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,18}[a-z0-9]$", var.cluster_name))
    error_message = "A name has 3 to 20 small letters, digits and hyphens, and begins with a letter."
  }
}

variable "environment" {
  description = "local, dev, stage or production."
  type        = string

  validation {
    condition     = contains(["local", "dev", "stage", "production"], var.environment)
    error_message = "An environment is local, dev, stage or production."
  }
}

variable "account" {
  description = "AWS account, Azure subscription or Google project; for a laptop any name."
  type        = string
}

variable "region" {
  description = "Region, in the cloud's own name."
  type        = string
}

variable "zones" {
  description = "Zones of the region, in the cloud's own names."
  type        = list(string)
  default     = ["eu-west-1a", "eu-west-1b", "eu-west-1c"]
}

variable "network_cidr" {
  description = "Addresses of the private network."
  type        = string
  default     = "10.40.0.0/16"
}

variable "dns_zone" {
  description = "DNS zone under which the platform is reached."
  type        = string
}

variable "kubernetes_version" {
  description = "Minor version of Kubernetes."
  type        = string

  validation {
    condition     = contains(["1.33", "1.34"], var.kubernetes_version)
    error_message = "Supported versions of Kubernetes are 1.33 and 1.34."
  }
}

variable "node_size" {
  description = "Machine type of the nodes."
  type        = string
  default     = "m7i.xlarge"
}

variable "node_count" {
  description = "Number of nodes."
  type        = number
  default     = 3
}

variable "node_disk_gib" {
  description = "Disk of each node, in GiB."
  type        = number
  default     = 100
}

variable "database_size" {
  description = "Machine type of the database."
  type        = string
  default     = "db.m7g.large"
}

variable "database_storage_gib" {
  description = "Storage of the database, in GiB."
  type        = number
  default     = 100
}

variable "api_cidrs" {
  description = "Who beside the private network reaches the cluster's API. With none it is private."
  type        = list(string)
  default     = []

  validation {
    condition     = !contains(var.api_cidrs, "0.0.0.0/0")
    error_message = "The API is not opened to everyone: name the networks that may reach it."
  }
}

variable "admins" {
  description = "Who administers the cluster, in the cloud's own identifiers."
  type        = list(string)
  default     = []
}

variable "deletion_protection" {
  description = "Whether cluster, database and keys refuse to be deleted."
  type        = bool
  default     = true
}

variable "tags" {
  description = "Tags beside those that every resource has."
  type        = map(string)
  default     = {}
}
