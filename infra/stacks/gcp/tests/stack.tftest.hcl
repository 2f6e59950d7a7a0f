mock_provider "google" {}

mock_provider "random" {}

variables {
  cluster_name       = "fawkes-test"
  environment        = "dev"
  account            = "fawkes-example"
  region             = "europe-west1"
  dns_zone           = "fawkes.example.org"
  kubernetes_version = "1.34"
}

run "outputs" {
  command = plan

  assert {
    condition     = output.cluster_name == "fawkes-test"
    error_message = "The cluster has another name."
  }

  assert {
    condition     = output.database.port == 5432
    error_message = "The database listens elsewhere."
  }
}

run "the_api_is_not_opened_to_everyone" {
  command = plan
  variables {
    api_cidrs = ["0.0.0.0/0"]
  }
  expect_failures = [var.api_cidrs]
}

run "an_unsupported_kubernetes_is_refused" {
  command = plan
  variables {
    kubernetes_version = "1.12"
  }
  expect_failures = [var.kubernetes_version]
}

