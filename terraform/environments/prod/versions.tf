terraform {
  required_version = ">= 1.11"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "5.100.0"
    }
  }

  # Where state is kept is told to `terraform init -backend-config=backend.hcl` (docs/deploy.md). It holds the cache's
  # token, so the bucket is encrypted, versioned, and open to operators and CI's plans only.
  backend "s3" {
    encrypt      = true
    use_lockfile = true
  }
}
