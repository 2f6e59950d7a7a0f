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

variable "cidr" {
  description = "Addresses of the network."
  type        = string
}

variable "tags" {
  description = "Tags."
  type        = map(string)
}
