variable "group" {
  description = "Resource group."
  type        = string
}

variable "zone" {
  description = "Name of the zone."
  type        = string
}

variable "tags" {
  description = "Tags."
  type        = map(string)
}
