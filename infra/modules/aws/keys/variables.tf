variable "name" {
  description = "Name of the cluster."
  type        = string
}

variable "deletion_window_days" {
  description = "Days between the wish to delete a key and its end."
  type        = number
}
