variable "domain" {
  description = "A private domain, known inside the VPC only."
  type        = string
  default     = "crossbook.internal"

  validation {
    condition     = can(regex("^([a-z0-9-]+[.])+[a-z]{2,}$", var.domain))
    error_message = "Give a domain name in lower case."
  }
}

variable "vpc_id" {
  description = "The VPC that knows the names."
  type        = string
}

variable "names" {
  description = "Names in the domain, and what each leads to."
  type        = map(string)

  validation {
    condition     = alltrue([for name in keys(var.names) : can(regex("^[a-z0-9-]+$", name))])
    error_message = "Names are single words."
  }
}
