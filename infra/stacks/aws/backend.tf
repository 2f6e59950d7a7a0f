# Where the state is kept says the file that bootstrap writes: terraform init -backend-config=FILE.
terraform {
  backend "s3" {
    encrypt      = true
    use_lockfile = true
  }
}
