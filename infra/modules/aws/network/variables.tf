variable "name" {
  description = "Name of the cluster."
  type        = string
}

variable "region" {
  description = "Region."
  type        = string
}

variable "zones" {
  description = "Zones, one private subnet in each."
  type        = list(string)
}

variable "cidr" {
  description = "Addresses of the network."
  type        = string
}
