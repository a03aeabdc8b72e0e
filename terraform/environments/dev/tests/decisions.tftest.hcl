# Development is small, and can be deleted.

mock_provider "aws" {
  source          = "../../mocks"
  override_during = plan
}

mock_provider "aws" {
  alias           = "us_east_1"
  source          = "../../mocks"
  override_during = plan
}

# Ephemeral values cannot be mocked. With generate_secrets off, planning secrets asks nothing of AWS.
provider "aws" {
  alias                       = "secrets"
  region                      = "us-east-1"
  access_key                  = "offline"
  secret_key                  = "offline"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_requesting_account_id  = true
}

variables {
  domain             = "exchange.example.com"
  administrator_arns = ["arn:aws:iam::123456789012:role/operators"]
  alarm_emails       = ["operators@example.com"]
  github_repository  = "example/crossbook"
  generate_secrets   = false
}

run "development" {
  command = plan

  assert {
    condition     = length(output.decisions.zones) == 3 && output.decisions.nat_gateways == 1
    error_message = "Three zones as in production, one way out."
  }

  assert {
    condition     = !output.decisions.database.multi_az && !output.decisions.database.deletion_protection
    error_message = "Nothing here is worth a standby or a protection."
  }

  assert {
    condition     = output.decisions.database.encrypted && !output.decisions.database.public
    error_message = "Encrypted and not public, as in production."
  }

  assert {
    condition     = !output.decisions.firewall
    error_message = "The firewall costs more than it protects here."
  }
}

run "the_whole_internet_is_refused" {
  command = plan

  variables {
    kubernetes_api_cidrs = ["0.0.0.0/0"]
  }

  expect_failures = [var.kubernetes_api_cidrs]
}

run "emulated" {
  command = plan

  variables {
    emulated = true
  }

  assert {
    condition     = output.decisions.cache == null && output.decisions.database.replicas == 0
    error_message = "What emulators cannot do is left out."
  }
}
