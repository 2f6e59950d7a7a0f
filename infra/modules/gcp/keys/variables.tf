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
