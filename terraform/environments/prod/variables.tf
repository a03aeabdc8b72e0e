variable "region" {
  description = "The AWS region."
  type        = string
  default     = "us-east-1"

  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.region))
    error_message = "Give a region such as us-east-1."
  }
}

variable "domain" {
  description = "The domain that the exchange is under: api.<domain>, and the page at <domain>."
  type        = string

  validation {
    condition     = can(regex("^([a-z0-9-]+[.])+[a-z]{2,}$", var.domain))
    error_message = "Give a domain name in lower case."
  }
}

variable "zone_id" {
  description = "The domain's Route 53 zone; empty: its records are made elsewhere."
  type        = string
  default     = ""

  validation {
    condition     = var.zone_id == "" || can(regex("^[A-Z0-9]+$", var.zone_id))
    error_message = "Give the zone's id."
  }
}

variable "administrator_arns" {
  description = "IAM roles whose holders administer the cluster."
  type        = set(string)

  validation {
    condition     = alltrue([for arn in var.administrator_arns : can(regex("^arn:[a-z-]+:iam::[0-9]{12}:role/", arn))])
    error_message = "Give ARNs of IAM roles."
  }
}

variable "kubernetes_api_cidrs" {
  description = "Networks that may reach the Kubernetes API from outside the VPC."
  type        = list(string)
  default     = []

  validation {
    condition     = !contains(var.kubernetes_api_cidrs, "0.0.0.0/0")
    error_message = "Not the whole internet."
  }
}

variable "alarm_emails" {
  description = "Who hears of alarms by e-mail."
  type        = set(string)
  default     = []

  validation {
    condition     = alltrue([for address in var.alarm_emails : can(regex("^[^@ ]+@[^@ ]+$", address))])
    error_message = "Give e-mail addresses."
  }
}

variable "github_repository" {
  description = "The repository whose workflows plan and release, as owner/name; empty: no CI roles."
  type        = string
  default     = ""

  validation {
    condition     = var.github_repository == "" || can(regex("^[A-Za-z0-9-]+/[A-Za-z0-9._-]+$", var.github_repository))
    error_message = "Write owner/name."
  }
}

variable "state_bucket" {
  description = "The bucket of Terraform's state, for CI's plans."
  type        = string
  default     = "none"

  validation {
    condition     = can(regex("^[a-z0-9.-]{3,63}$", var.state_bucket))
    error_message = "Give a bucket's name."
  }
}

variable "generate_secrets" {
  description = "Make the secrets' values. Off where they are made elsewhere and put in by hand."
  type        = bool
  default     = true
}
