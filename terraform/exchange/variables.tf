variable "environment" {
  description = "Which exchange this is: dev, staging, prod. It is in every name and tag."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9]{1,11}$", var.environment))
    error_message = "Use 2 to 12 lower-case letters and digits."
  }
}

variable "is_production" {
  description = "Real money: deletion protection, Multi-AZ, a NAT gateway a zone, three nodes at least. Cannot be had in part."
  type        = bool
}

variable "zones" {
  description = "Three availability zones of the region."
  type        = list(string)

  validation {
    condition     = length(distinct(var.zones)) == 3
    error_message = "Name exactly three different availability zones."
  }
}

variable "cidr" {
  description = "The VPC's IPv4 range, a /16."
  type        = string

  validation {
    condition     = can(cidrhost(var.cidr, 0)) && endswith(var.cidr, "/16")
    error_message = "Give a /16 in CIDR notation."
  }
}

variable "interface_endpoints" {
  description = "AWS services reached without the NAT gateways; about 22 dollars a month each."
  type        = set(string)
  default     = []

  validation {
    condition     = alltrue([for name in var.interface_endpoints : can(regex("^[a-z0-9.-]+$", name))])
    error_message = "Use the last part of the service's name."
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
  description = "Networks that may reach the Kubernetes API from outside; nobody if empty."
  type        = list(string)
  default     = []

  validation {
    condition     = !contains(var.kubernetes_api_cidrs, "0.0.0.0/0")
    error_message = "Not the whole internet."
  }
}

variable "instance_types" {
  description = "Instance types of the nodes (arm64)."
  type        = list(string)

  validation {
    condition     = length(var.instance_types) > 0
    error_message = "Name at least one."
  }
}

variable "nodes" {
  description = "How many nodes at least, at first, at most."
  type        = object({ min = number, desired = number, max = number })

  validation {
    condition     = var.nodes.min <= var.nodes.desired && var.nodes.desired <= var.nodes.max
    error_message = "min <= desired <= max."
  }

  validation {
    condition     = !var.is_production || var.nodes.min >= 3
    error_message = "Production needs a node in each of three zones."
  }
}

variable "database" {
  description = "The database's instance class, storage, read replicas, and how far back it can be restored."
  type = object({
    instance_class = string
    storage_gb     = number
    max_storage_gb = number
    replicas       = number
    backup_days    = number
    engine_version = optional(string, "18")
  })

  validation {
    condition     = !var.is_production || var.database.backup_days >= 14
    error_message = "Production keeps backups for at least 14 days."
  }
}

variable "cache" {
  description = "The cache's node type and number of nodes; null: none (the exchange then has no event stream: emulators only)."
  type        = object({ node_type = string, nodes = number })

  validation {
    condition     = !var.is_production || try(var.cache.nodes, 0) >= 2
    error_message = "Production needs a cache that survives a zone: two nodes or more."
  }
}

variable "api_domain" {
  description = "The API's name."
  type        = string

  validation {
    condition     = can(regex("^([a-z0-9-]+[.])+[a-z]{2,}$", var.api_domain))
    error_message = "Give a domain name in lower case."
  }
}

variable "web_domain" {
  description = "The web page's name; empty: CloudFront's own."
  type        = string
  default     = ""

  validation {
    condition     = var.web_domain == "" || can(regex("^([a-z0-9-]+[.])+[a-z]{2,}$", var.web_domain))
    error_message = "Give a domain name in lower case."
  }
}

variable "mail" {
  description = "The domain and the address that mail to customers comes from; null: no SES."
  type        = object({ domain = string, from = string })
  default     = null

  validation {
    condition     = var.mail == null || try(endswith(var.mail.from, "@${var.mail.domain}"), false)
    error_message = "The address must be one of the domain's."
  }
}

variable "zone_id" {
  description = "The Route 53 zone of the domains; empty: their records are made elsewhere."
  type        = string
  default     = ""
}

variable "security_headers_file" {
  description = "The web page's headers."
  type        = string
}

variable "cognito_callback_urls" {
  description = "Where people come back to after signing in with Cognito; empty: no Cognito, only Crossbook's own accounts."
  type        = list(string)
  default     = []
}

variable "alarm_emails" {
  description = "Who hears of alarms by e-mail."
  type        = set(string)

  validation {
    condition     = !var.is_production || length(var.alarm_emails) > 0
    error_message = "In production somebody must hear of alarms."
  }
}

variable "github_repository" {
  description = "The repository whose workflows plan and release, as owner/name; empty: no CI roles."
  type        = string
  default     = ""
}

variable "github_provider" {
  description = "Make GitHub's OIDC provider; an account has only one."
  type        = bool
  default     = true
}

variable "state_bucket_arn" {
  description = "The bucket of Terraform's state, for CI's plans."
  type        = string
  default     = "arn:aws:s3:::none"
}

variable "monthly_usd" {
  description = "The budget; 0: none."
  type        = number

  validation {
    condition     = var.monthly_usd >= 0
    error_message = "0 or more."
  }
}

variable "log_days" {
  description = "How many days logs of services are kept; audit logs are kept for ten years in production."
  type        = number
  default     = 30

  validation {
    condition     = contains([7, 14, 30, 60, 90, 180, 365], var.log_days)
    error_message = "Choose 7, 14, 30, 60, 90, 180 or 365 days."
  }
}

variable "emulated" {
  description = "Leave out what AWS emulators cannot do: EKS add-ons and access entries, Pod Identity associations, response headers policies. Never for a real exchange."
  type        = bool
  default     = false

  validation {
    condition     = !(var.emulated && var.is_production)
    error_message = "Production is not emulated."
  }
}

variable "generate_secrets" {
  description = "Make the secrets' values. Off where they are made elsewhere and put in by hand."
  type        = bool
  default     = true
}
