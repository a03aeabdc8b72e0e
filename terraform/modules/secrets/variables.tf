variable "name" {
  description = "Prefix of every secret's name, for example crossbook-prod."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{2,30}$", var.name))
    error_message = "Use 3 to 31 lower-case letters, digits and hyphens, beginning with a letter."
  }
}

variable "services" {
  description = "Who has a database role of their own, crossbook_<name>."
  type        = set(string)

  validation {
    condition     = length(var.services) > 0 && alltrue([for name in var.services : can(regex("^[a-z]{2,30}$", name))])
    error_message = "Name services in lower-case letters."
  }
}

variable "key_arn" {
  description = "The KMS key that encrypts the secrets."
  type        = string

  validation {
    condition     = startswith(var.key_arn, "arn:")
    error_message = "Give the key's ARN."
  }
}

variable "revision" {
  description = "Raise it to make every secret but the encryption key anew (docs/security.md says what must follow)."
  type        = number
  default     = 1

  validation {
    condition     = var.revision >= 1 && floor(var.revision) == var.revision
    error_message = "A whole number from 1 on."
  }
}

variable "recovery_days" {
  description = "How long a deleted secret can be brought back; 0 deletes it at once."
  type        = number

  validation {
    condition     = var.recovery_days == 0 || (var.recovery_days >= 7 && var.recovery_days <= 30)
    error_message = "0, or 7 to 30 days."
  }
}

variable "generate" {
  description = "Make the values. Off where they are made elsewhere and put in by hand."
  type        = bool
  default     = true
}
