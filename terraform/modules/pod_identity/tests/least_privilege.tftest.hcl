# What pods may do in AWS, as IAM will read it.

# The real provider, which knows how policies are written; nothing is asked of AWS.
provider "aws" {
  region                      = "us-east-1"
  access_key                  = "offline"
  secret_key                  = "offline"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_requesting_account_id  = true
}

variables {
  name                       = "crossbook-test"
  cluster_name               = "crossbook-test"
  cluster_arn                = "arn:aws:eks:us-east-1:123456789012:cluster/crossbook-test"
  secret_arns                = ["arn:aws:secretsmanager:us-east-1:123456789012:secret:crossbook-test/internal-token-a1b2c3"]
  key_arn                    = "arn:aws:kms:us-east-1:123456789012:key/0a"
  notices_topic_arn          = "arn:aws:sns:us-east-1:123456789012:crossbook-test-notices"
  mail_identity_arn          = "arn:aws:ses:us-east-1:123456789012:identity/example.com"
  mail_configuration_set_arn = "arn:aws:ses:us-east-1:123456789012:configuration-set/crossbook-test"
  mail_from                  = "notices@example.com"
  zone_id                    = "Z0123456789"
  dns_names                  = ["api.example.com"]
  log_group_arns             = ["arn:aws:logs:us-east-1:123456789012:log-group:/crossbook-test/engine"]
}

run "least_privilege" {
  command = plan

  assert {
    condition     = toset(keys(output.policies)) == toset(["external-dns", "external-secrets", "log-forwarder", "notifier"])
    error_message = "Nobody else may do anything in AWS: neither auth nor trading, engine or backoffice."
  }

  assert {
    condition = !anytrue(flatten([
      for policy in values(output.policies) : [
        for statement in jsondecode(policy).Statement : [
          for action in flatten([statement.Action]) : strcontains(action, "*")
        ]
      ]
    ]))
    error_message = "Actions are named one by one."
  }

  assert {
    condition = !anytrue(flatten([
      for policy in values(output.policies) : [
        for statement in jsondecode(policy).Statement : [
          # AWS takes nothing else for asking which zones there are.
          for resource in flatten([statement.Resource]) : resource == "*" && statement.Sid != "FindZone"
        ]
      ]
    ]))
    error_message = "Resources are named."
  }

  assert {
    condition = one([
      for statement in jsondecode(output.policies["notifier"]).Statement :
      statement.Condition.StringEquals["ses:FromAddress"] if statement.Sid == "SendMail"
    ]) == "notices@example.com"
    error_message = "Mail is sent from one address."
  }

  assert {
    condition = alltrue([
      for role in concat(values(aws_iam_role.this), [aws_iam_role.disks]) :
      jsondecode(role.assume_role_policy).Statement[0].Condition.StringEquals["aws:RequestTag/eks-cluster-arn"] == var.cluster_arn
    ])
    error_message = "Roles are for this cluster's pods."
  }

  assert {
    condition     = jsondecode(aws_iam_role.this["notifier"].assume_role_policy).Statement[0].Condition.StringEquals["aws:RequestTag/kubernetes-service-account"] == "crossbook-notifier"
    error_message = "A role is for the pods of one service account."
  }
}

run "names_are_written_one_by_one" {
  command = plan

  assert {
    condition = one([
      for statement in jsondecode(output.policies["external-dns"]).Statement :
      contains(statement.Condition["ForAllValues:StringEquals"]["route53:ChangeResourceRecordSetsNormalizedRecordNames"], "api.example.com")
      && !contains(statement.Condition["ForAllValues:StringEquals"]["route53:ChangeResourceRecordSetsNormalizedRecordNames"], "example.com")
      && !contains(flatten([statement.Condition["ForAllValues:StringEquals"]["route53:ChangeResourceRecordSetsActions"]]), "DELETE")
      if statement.Sid == "WriteNames"
    ])
    error_message = "The API's name is written and nothing else of the zone, and nothing is deleted."
  }

  assert {
    condition = one([
      for statement in jsondecode(output.policies["external-dns"]).Statement :
      toset(flatten([statement.Action])) == toset(["route53:ListHostedZones"])
      if statement.Sid == "FindZone"
    ])
    error_message = "What is allowed for all zones is to list them."
  }
}

run "without_a_zone_no_names" {
  command = plan

  variables {
    zone_id = ""
  }

  assert {
    condition     = !contains(keys(output.policies), "external-dns")
    error_message = "Who makes records elsewhere gives nobody the right to."
  }
}

run "a_wildcard_is_refused" {
  command = plan

  variables {
    secret_arns = ["arn:aws:secretsmanager:us-east-1:123456789012:secret:*"]
  }

  expect_failures = [var.secret_arns]
}
