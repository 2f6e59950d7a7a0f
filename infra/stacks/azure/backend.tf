# Where the state is kept says the file that bootstrap writes: terraform init -backend-config=FILE.
terraform {
  backend "azurerm" {
    use_azuread_auth = true # the lock is a lease on the blob, and Azure encrypts
  }
}
