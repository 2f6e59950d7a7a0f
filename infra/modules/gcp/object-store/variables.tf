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

variable "deletion_protection" {
  description = "Whether it refuses to be deleted."
  type        = bool
}

variable "labels" {
  description = "Labels."
  type        = map(string)
}
