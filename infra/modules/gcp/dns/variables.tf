variable "name" {
  description = "Name of the cluster."
  type        = string
}

variable "project" {
  description = "Google project."
  type        = string
}

variable "zone" {
  description = "Name of the zone."
  type        = string
}

variable "labels" {
  description = "Labels."
  type        = map(string)
}
