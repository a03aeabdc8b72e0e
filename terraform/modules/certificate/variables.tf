variable "domain" {
  description = "The name that the certificate is for."
  type        = string

  validation {
    condition     = can(regex("^([a-z0-9-]+[.])+[a-z]{2,}$", var.domain))
    error_message = "Give a domain name in lower case, without a trailing dot."
  }
}

variable "alternative_names" {
  description = "More names on the same certificate."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for name in var.alternative_names : can(regex("^([*][.])?([a-z0-9-]+[.])+[a-z]{2,}$", name))])
    error_message = "Give domain names in lower case."
  }
}

variable "zone_id" {
  description = "The Route 53 zone for the validation records; empty: somebody else makes them."
  type        = string
  default     = ""

  validation {
    condition     = var.zone_id == "" || can(regex("^[A-Z0-9]+$", var.zone_id))
    error_message = "Give the zone's id, for example Z0123456789ABCDEFGHIJ."
  }
}
