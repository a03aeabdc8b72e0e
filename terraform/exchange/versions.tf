terraform {
  required_version = ">= 1.11"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.95, < 6.0"
      # CloudFront takes certificates and web ACLs from us-east-1 only, wherever everything else is. Secrets have a
      # provider of their own, so that a role of its own may be let at them, and because ephemeral values cannot be mocked
      # in tests of everything else.
      configuration_aliases = [aws.us_east_1, aws.secrets]
    }
  }
}
