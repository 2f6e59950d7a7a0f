# Made once per subscription, before any stack: where the state lies, encrypted, with every version kept. The lock is a
# lease on the blob, which the backend always takes. Its own state is a file that the operator keeps.

variable "account" {
  description = "Azure subscription."
  type        = string
}

variable "region" {
  description = "Region of the state."
  type        = string
}

variable "allowed_cidrs" {
  description = "Who reaches the state."
  type        = list(string)
}

provider "azurerm" {
  subscription_id     = var.account
  storage_use_azuread = true
  features {}
}

resource "azurerm_resource_group" "state" {
  name     = "fawkes-state"
  location = var.region
}

resource "azurerm_storage_account" "state" {
  name                              = "fawkes${substr(sha256(var.account), 0, 12)}"
  resource_group_name               = azurerm_resource_group.state.name
  location                          = var.region
  account_tier                      = "Standard"
  account_replication_type          = "ZRS"
  min_tls_version                   = "TLS1_2"
  https_traffic_only_enabled        = true
  allow_nested_items_to_be_public   = false
  shared_access_key_enabled         = false
  infrastructure_encryption_enabled = true

  blob_properties {
    versioning_enabled = true
  }

  network_rules {
    default_action = "Deny"
    ip_rules       = var.allowed_cidrs
  }

  lifecycle {
    prevent_destroy = true
  }
}

resource "azurerm_storage_container" "state" {
  name                  = "state"
  storage_account_id    = azurerm_storage_account.state.id
  container_access_type = "private"
}

output "backend" {
  description = "Settings for terraform init -backend-config."
  value = {
    resource_group_name  = azurerm_resource_group.state.name
    storage_account_name = azurerm_storage_account.state.name
    container_name       = azurerm_storage_container.state.name
  }
}
