variable "name" {
  description = "Prefix of every name, for example crossbook-prod."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{2,30}$", var.name))
    error_message = "Use 3 to 31 lower-case letters, digits and hyphens, beginning with a letter."
  }
}

variable "monthly_usd" {
  description = "What a month may cost."
  type        = number

  validation {
    condition     = var.monthly_usd > 0
    error_message = "More than nothing."
  }
}

variable "topic_arn" {
  description = "Who hears of it."
  type        = string
}

variable "tag" {
  description = "The value of the tag Environment that the costs carry."
  type        = string
}
