variable "name" {
  description = "Prefix of every name, for example crossbook-prod."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{2,30}$", var.name))
    error_message = "Use 3 to 31 lower-case letters, digits and hyphens, beginning with a letter."
  }
}

variable "key_arn" {
  description = "The KMS key that encrypts messages on their way."
  type        = string

  validation {
    condition     = startswith(var.key_arn, "arn:")
    error_message = "Give the key's ARN."
  }
}

variable "alarm_emails" {
  description = "Who hears of alarms when everything else is down, Alertmanager too."
  type        = set(string)
  default     = []

  validation {
    condition     = alltrue([for address in var.alarm_emails : can(regex("^[^@ ]+@[^@ ]+[.][a-z]{2,}$", address))])
    error_message = "Give e-mail addresses."
  }
}

variable "mail_domain" {
  description = "The domain that mail to customers comes from; empty: no SES identity."
  type        = string
  default     = ""

  validation {
    condition     = var.mail_domain == "" || can(regex("^([a-z0-9-]+[.])+[a-z]{2,}$", var.mail_domain))
    error_message = "Give a domain name in lower case."
  }
}

variable "zone_id" {
  description = "The Route 53 zone for the DKIM records; empty: somebody else makes them."
  type        = string
  default     = ""
}
