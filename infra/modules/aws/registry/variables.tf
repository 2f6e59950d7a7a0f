variable "name" {
  description = "Name of the cluster."
  type        = string
}

variable "repositories" {
  description = "Names of the repositories."
  type        = list(string)
}

variable "key_arn" {
  description = "Key that encrypts it."
  type        = string
}
