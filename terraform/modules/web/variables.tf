variable "name" {
  description = "Prefix of every name, for example crossbook-prod."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{2,30}$", var.name))
    error_message = "Use 3 to 31 lower-case letters, digits and hyphens, beginning with a letter."
  }
}

variable "domain" {
  description = "The web page's name; empty: CloudFront's own."
  type        = string
  default     = ""

  validation {
    condition     = var.domain == "" || can(regex("^([a-z0-9-]+[.])+[a-z]{2,}$", var.domain))
    error_message = "Give a domain name in lower case, without a trailing dot."
  }
}

variable "api_domain" {
  description = "Where the page's scripts may connect to: REST, WebSocket and sign-in. It is named in the page's policy."
  type        = string

  validation {
    condition     = can(regex("^([a-z0-9-]+[.])+[a-z]{2,}$", var.api_domain))
    error_message = "Give a domain name in lower case, without a trailing dot."
  }
}

variable "certificate_arn" {
  description = "The certificate for the domain, from us-east-1; empty without a domain."
  type        = string
  default     = ""
}

variable "web_acl_arn" {
  description = "AWS WAF's web ACL; empty: none."
  type        = string
  default     = ""
}

variable "security_headers_file" {
  description = "The page's headers, one file for every way it is served: `headers` with $API_ORIGINS where the API's go, `overTls`, `cacheControl` by path."
  type        = string

  validation {
    condition     = can(jsondecode(file(var.security_headers_file)).headers["Content-Security-Policy"])
    error_message = "The file must be there, and say at least which Content-Security-Policy the page has."
  }
}

variable "force_destroy" {
  description = "Delete the bucket with all it holds when it is destroyed."
  type        = bool
  default     = false
}

variable "headers_policy" {
  description = "Say the headers in CloudFront. Off only where its API does not exist, as in emulators."
  type        = bool
  default     = true
}

variable "zone_id" {
  description = "The Route 53 zone of the domain; empty: its record is made elsewhere."
  type        = string
  default     = ""
}
