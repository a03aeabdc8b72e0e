variable "name" {
  description = "Prefix of every name, for example crossbook-prod."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{2,30}$", var.name))
    error_message = "Use 3 to 31 lower-case letters, digits and hyphens, beginning with a letter."
  }
}

variable "requests_per_address" {
  description = "Requests an address may send to the web page within five minutes."
  type        = number
  default     = 2000

  validation {
    condition     = var.requests_per_address >= 100 && var.requests_per_address <= 1000000
    error_message = "Take 100 to 1000000."
  }
}

variable "log_key_arn" {
  description = "The KMS key for the log of blocked requests."
  type        = string
}

variable "log_days" {
  description = "How many days blocked requests are remembered."
  type        = number
  default     = 30

  validation {
    condition     = contains([7, 14, 30, 60, 90, 180, 365], var.log_days)
    error_message = "Choose 7, 14, 30, 60, 90, 180 or 365 days."
  }
}
