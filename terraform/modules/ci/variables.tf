variable "name" {
  description = "Prefix of every name, for example crossbook-prod."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{2,30}$", var.name))
    error_message = "Use 3 to 31 lower-case letters, digits and hyphens, beginning with a letter."
  }
}

variable "repository" {
  description = "The GitHub repository whose workflows may act here, as owner/name."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9-]+/[A-Za-z0-9._-]+$", var.repository))
    error_message = "Write owner/name, without wildcards."
  }
}

variable "environment" {
  description = "The GitHub environment that a workflow must run in to publish; its reviewers decide there."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]*$", var.environment))
    error_message = "Use lower-case letters, digits and hyphens."
  }
}

variable "create_provider" {
  description = "Make GitHub's OIDC provider; an account has one, so only the first environment in it does."
  type        = bool
  default     = true
}

variable "repository_arns" {
  description = "Image repositories that a release may push to."
  type        = list(string)
}

variable "web_bucket_arn" {
  description = "The bucket that a release copies the web page to."
  type        = string
}

variable "distribution_arn" {
  description = "The distribution that a release invalidates."
  type        = string
}

variable "state_bucket_arn" {
  description = "The bucket of Terraform's state, which a plan reads."
  type        = string
}
