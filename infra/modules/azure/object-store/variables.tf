variable "group" {
  description = "Resource group."
  type        = string
}

variable "region" {
  description = "Region."
  type        = string
}

variable "account_name" {
  description = "Name of the storage account, unique in Azure."
  type        = string
}

variable "subnet_id" {
  description = "Subnet that reaches it."
  type        = string
}

variable "key_id" {
  description = "Key that encrypts it."
  type        = string
}

variable "identity_id" {
  description = "Identity that reads the key."
  type        = string
}

variable "tags" {
  description = "Tags."
  type        = map(string)
}
