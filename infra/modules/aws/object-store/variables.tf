variable "name" {
  description = "Name of the cluster."
  type        = string
}

variable "account" {
  description = "AWS account, which makes the name unique."
  type        = string
}

variable "key_arn" {
  description = "Key that encrypts it."
  type        = string
}

variable "deletion_protection" {
  description = "Whether it refuses to be deleted."
  type        = bool
}
