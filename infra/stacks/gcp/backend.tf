# Where the state is kept says the file that bootstrap writes: terraform init -backend-config=FILE.
terraform {
  backend "gcs" {
    prefix = "cluster" # the lock is an object beside the state, and the bucket encrypts
  }
}
