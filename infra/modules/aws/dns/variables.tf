variable "zone" {
  description = "Name of the zone."
  type        = string
}
