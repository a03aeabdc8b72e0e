# An environment is either safe or refused.

mock_provider "aws" {
  source          = "../mocks"
  override_during = plan
}

mock_provider "aws" {
  alias           = "us_east_1"
  source          = "../mocks"
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
  environment           = "prod"
  is_production         = true
  zones                 = ["us-east-1a", "us-east-1b", "us-east-1c"]
  cidr                  = "10.20.0.0/16"
  administrator_arns    = ["arn:aws:iam::123456789012:role/operators"]
  instance_types        = ["m7g.large"]
  nodes                 = { min = 6, desired = 6, max = 12 }
  database              = { instance_class = "db.m7g.large", storage_gb = 200, max_storage_gb = 2000, replicas = 1, backup_days = 35 }
  cache                 = { node_type = "cache.m7g.large", nodes = 2 }
  api_domain            = "api.example.com"
  security_headers_file = "security-headers.json"
  alarm_emails          = ["operators@example.com"]
  generate_secrets      = false
  monthly_usd           = 2500
}

run "two_zones" {
  command = plan

  variables {
    zones = ["us-east-1a", "us-east-1b", "us-east-1a"]
  }

  expect_failures = [var.zones]
}

run "two_nodes" {
  command = plan

  variables {
    nodes = { min = 2, desired = 6, max = 12 }
  }

  expect_failures = [var.nodes]
}

run "a_week_of_backups" {
  command = plan

  variables {
    database = { instance_class = "db.m7g.large", storage_gb = 200, max_storage_gb = 2000, replicas = 1, backup_days = 7 }
  }

  expect_failures = [var.database]
}

run "one_cache_node" {
  command = plan

  variables {
    cache = { node_type = "cache.m7g.large", nodes = 1 }
  }

  expect_failures = [var.cache]
}

run "nobody_hears_of_alarms" {
  command = plan

  variables {
    alarm_emails = []
  }

  expect_failures = [var.alarm_emails]
}

run "an_emulated_production" {
  command = plan

  variables {
    emulated = true
  }

  expect_failures = [var.emulated]
}

run "mail_of_another_domain" {
  command = plan

  variables {
    mail = { domain = "example.com", from = "notices@example.org" }
  }

  expect_failures = [var.mail]
}
