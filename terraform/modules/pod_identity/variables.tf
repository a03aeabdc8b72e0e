variable "name" {
  description = "Prefix of every name, for example crossbook-prod."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{2,30}$", var.name))
    error_message = "Use 3 to 31 lower-case letters, digits and hyphens, beginning with a letter."
  }
}

variable "cluster_name" {
  description = "The EKS cluster; associations are made where create_associations says so."
  type        = string
}

variable "cluster_arn" {
  description = "The cluster's ARN: roles may be assumed by its pods only."
  type        = string
}

variable "create_associations" {
  description = "Tie roles to service accounts. Off only where the API does not exist, as in emulators."
  type        = bool
  default     = true
}

variable "secret_arns" {
  description = "Secrets that external-secrets may read."
  type        = list(string)

  validation {
    condition     = alltrue([for arn in var.secret_arns : !strcontains(arn, "*")])
    error_message = "Name each secret: no wildcards."
  }
}

variable "key_arn" {
  description = "The KMS key that the secrets and topics are encrypted with."
  type        = string
}

variable "notices_topic_arn" {
  description = "The topic that the notifier publishes to."
  type        = string
}

variable "mail_identity_arn" {
  description = "What the notifier may send mail as; null: no mail through SES."
  type        = string
  default     = null
}

variable "mail_configuration_set_arn" {
  description = "The configuration set the notifier must send with; null without mail."
  type        = string
  default     = null
}

variable "mail_from" {
  description = "The only address the notifier may send from."
  type        = string
  default     = ""
}

variable "log_group_arns" {
  description = "Log groups that the log forwarder may write to."
  type        = list(string)
}

variable "zone_id" {
  description = "The public Route 53 zone that external-dns may write to; empty: it may do nothing."
  type        = string
  default     = ""

  validation {
    condition     = var.zone_id == "" || can(regex("^[A-Z0-9]+$", var.zone_id))
    error_message = "Give the zone's id."
  }
}

variable "dns_names" {
  description = "The only names that external-dns may write, and what it marks them as its own with."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for name in var.dns_names : can(regex("^([a-z0-9-]+[.])+[a-z]{2,}$", name))])
    error_message = "Give whole domain names in lower case: no wildcards."
  }
}
