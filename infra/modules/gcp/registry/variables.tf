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

variable "key_id" {
  description = "Key that encrypts it."
  type        = string
}

variable "labels" {
  description = "Labels."
  type        = map(string)
}
