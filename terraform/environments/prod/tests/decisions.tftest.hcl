# What production must be, whatever else changes.

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

run "production" {
  command = plan

  assert {
    condition     = output.decisions.zones == tolist(["us-east-1a", "us-east-1b", "us-east-1c"])
    error_message = "The network must span three zones."
  }

  assert {
    condition     = output.decisions.nat_gateways == 3
    error_message = "A lost zone must not take the others' way out along."
  }

  assert {
    condition     = output.decisions.database.multi_az
    error_message = "The database must have a standby in another zone."
  }

  assert {
    condition     = output.decisions.database.replicas >= 1
    error_message = "Reads of the past need a replica."
  }

  assert {
    condition     = output.decisions.database.encrypted && output.decisions.cluster.secrets_encrypted
    error_message = "What is stored must be encrypted."
  }

  assert {
    condition     = !output.decisions.database.public
    error_message = "The database must not be public."
  }

  assert {
    condition     = output.decisions.database.deletion_protection
    error_message = "The database must be protected from deletion."
  }

  assert {
    condition     = output.decisions.database.backup_days >= 14
    error_message = "Two weeks of backups at least."
  }

  assert {
    condition     = output.decisions.cache.multi_az && output.decisions.cache.encrypted_in_transit && output.decisions.cache.encrypted_at_rest
    error_message = "The cache must survive a zone, and be encrypted."
  }

  assert {
    condition     = !output.decisions.cluster.public_api
    error_message = "The Kubernetes API must not be public unless networks are named."
  }

  assert {
    condition     = output.decisions.cluster.metadata_hop_limit == 1
    error_message = "Pods must not reach their node's credentials."
  }

  assert {
    condition     = output.decisions.firewall
    error_message = "The page must be behind the firewall."
  }

  # Six of the database, one of its replica, three for each of two cache nodes.
  assert {
    condition     = length(output.decisions.alarms) == 13
    error_message = "Every alarm must be there."
  }
}
