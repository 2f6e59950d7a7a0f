variable "name" {
  description = "Name of the cluster."
  type        = string
}

variable "region" {
  description = "Region."
  type        = string
}

variable "cidr" {
  description = "Addresses of the nodes."
  type        = string
}
