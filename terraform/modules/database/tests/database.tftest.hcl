# PostgreSQL: durable, encrypted, out of reach.

mock_provider "aws" {
  source = "../../mocks"
}

variables {
  name                     = "crossbook-test"
  vpc_id                   = "vpc-1"
  subnet_ids               = ["subnet-1", "subnet-2", "subnet-3"]
  client_security_group_id = "sg-nodes"
  instance_class           = "db.m7g.large"
  storage_gb               = 200
  max_storage_gb           = 2000
  multi_az                 = true
  replicas                 = 2
  backup_days              = 35
  deletion_protection      = true
  key_arn                  = "arn:aws:kms:us-east-1:123456789012:key/0a"
}

run "protected" {
  command = plan

  assert {
    condition     = alltrue([for instance in concat([aws_db_instance.primary], aws_db_instance.replica) : instance.storage_encrypted && !instance.publicly_accessible && instance.deletion_protection])
    error_message = "Each instance must be encrypted, private and protected."
  }

  assert {
    condition     = aws_db_instance.primary.manage_master_user_password && aws_db_instance.primary.password == null
    error_message = "RDS makes, keeps and rotates the master password."
  }

  assert {
    condition     = !aws_db_instance.primary.skip_final_snapshot && !aws_db_instance.primary.delete_automated_backups
    error_message = "A deleted database must leave its backups."
  }

  assert {
    condition     = alltrue([for instance in aws_db_instance.replica : instance.backup_retention_period == 35])
    error_message = "A promoted replica must have backups."
  }

  assert {
    condition     = aws_db_instance.primary.performance_insights_enabled && aws_db_instance.primary.monitoring_interval == 60
    error_message = "Performance Insights and enhanced monitoring are on."
  }
}

run "durable" {
  command = plan

  assert {
    condition     = one([for parameter in aws_db_parameter_group.this.parameter : parameter.value if parameter.name == "synchronous_commit"]) == "on"
    error_message = "Acknowledged means durable."
  }

  assert {
    condition     = one([for parameter in aws_db_parameter_group.this.parameter : parameter.value if parameter.name == "rds.force_ssl"]) == "1"
    error_message = "TLS only."
  }

  assert {
    condition     = aws_db_parameter_group.this.family == "postgres18"
    error_message = "The family is the major version's."
  }
}

run "only_nodes_get_in" {
  command = plan

  assert {
    condition     = aws_vpc_security_group_ingress_rule.clients.referenced_security_group_id == "sg-nodes" && aws_vpc_security_group_ingress_rule.clients.cidr_ipv4 == null
    error_message = "By security group, not by address."
  }

  assert {
    condition     = aws_vpc_security_group_ingress_rule.clients.from_port == 5432 && aws_vpc_security_group_ingress_rule.clients.to_port == 5432
    error_message = "One port."
  }
}

run "no_backups_are_refused" {
  command = plan

  variables {
    backup_days = 0
  }

  expect_failures = [var.backup_days]
}

run "an_unknown_version_is_refused" {
  command = plan

  variables {
    engine_version = "12"
  }

  expect_failures = [var.engine_version]
}
