# What workflows may do, and which ones.

# The real provider, which knows how policies are written; nothing is asked of AWS.
provider "aws" {
  region                      = "us-east-1"
  access_key                  = "offline"
  secret_key                  = "offline"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_requesting_account_id  = true
}

override_resource {
  target          = aws_iam_openid_connect_provider.github
  override_during = plan
  values          = { arn = "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com" }
}

variables {
  name             = "crossbook-test"
  repository       = "example/crossbook"
  environment      = "prod"
  repository_arns  = ["arn:aws:ecr:us-east-1:123456789012:repository/crossbook-test/services"]
  web_bucket_arn   = "arn:aws:s3:::crossbook-test-web"
  distribution_arn = "arn:aws:cloudfront::123456789012:distribution/E1"
  state_bucket_arn = "arn:aws:s3:::crossbook-state"
}

run "who" {
  command = plan

  assert {
    condition     = output.subjects.release[0] == "repo:example/crossbook:environment:prod" && length(output.subjects.release) == 1
    error_message = "A release needs the protected environment."
  }

  assert {
    condition     = alltrue([for subject in flatten(values(output.subjects)) : !strcontains(subject, "*") && startswith(subject, "repo:example/crossbook:")])
    error_message = "Only this repository, without wildcards."
  }

  assert {
    condition = alltrue([
      for role in aws_iam_role.this :
      jsondecode(role.assume_role_policy).Statement[0].Condition.StringEquals["token.actions.githubusercontent.com:aud"] == "sts.amazonaws.com"
    ])
    error_message = "Tokens made for AWS only."
  }
}

run "what" {
  command = plan

  assert {
    condition = alltrue(flatten([
      for statement in jsondecode(output.policies.release).Statement : [
        for resource in flatten([statement.Resource]) : resource != "*" || statement.Sid == "LogIn"
      ]
    ]))
    error_message = "A release touches what it names."
  }

  assert {
    condition = !anytrue(flatten([
      for statement in jsondecode(output.policies.release).Statement : [
        for action in flatten([statement.Action]) : can(regex("^(iam|eks|rds|secretsmanager|kms):", action))
      ]
    ]))
    error_message = "A release may not touch roles, the cluster, data or secrets."
  }

  assert {
    condition     = anytrue([for statement in jsondecode(output.policies.plan).Statement : statement.Effect == "Deny" && contains(flatten([statement.Action]), "secretsmanager:GetSecretValue")])
    error_message = "A plan reads no secrets."
  }
}

run "any_repository_is_refused" {
  command = plan

  variables {
    repository = "example/*"
  }

  expect_failures = [var.repository]
}
