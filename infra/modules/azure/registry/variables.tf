variable "group" {
  description = "Resource group."
  type        = string
}

variable "region" {
  description = "Region."
  type        = string
}

variable "registry_name" {
  description = "Name of the registry, unique in Azure."
  type        = string
}

variable "puller" {
  description = "Object id of who pulls images."
  type        = string
}

variable "tags" {
  description = "Tags."
  type        = map(string)
}
