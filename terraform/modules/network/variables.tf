variable "name" {
  description = "Prefix of every name, for example crossbook-prod."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{2,30}$", var.name))
    error_message = "Use 3 to 31 lower-case letters, digits and hyphens, beginning with a letter."
  }
}

variable "cidr" {
  description = "The VPC's IPv4 range, a /16: subnets are /20 for pods and nodes, /24 for everything else."
  type        = string

  validation {
    condition     = can(cidrhost(var.cidr, 0)) && endswith(var.cidr, "/16")
    error_message = "Give a /16 in CIDR notation, for example 10.20.0.0/16."
  }
}

variable "zones" {
  description = "Availability zones; three, so that one may be lost and a majority remains."
  type        = list(string)

  validation {
    condition     = length(var.zones) == 3 && length(distinct(var.zones)) == 3
    error_message = "Name exactly three different availability zones."
  }
}

variable "nat_per_zone" {
  description = "One NAT gateway in each zone, so that losing a zone cuts nobody else off; or one for all, to save money."
  type        = bool
}

variable "interface_endpoints" {
  description = "AWS services reached without the NAT gateways, by the end of their service name (ecr.api, logs). Each costs about 22 dollars a month in three zones."
  type        = set(string)
  default     = []

  validation {
    condition     = alltrue([for name in var.interface_endpoints : can(regex("^[a-z0-9.-]+$", name))])
    error_message = "Use the last part of the service's name, for example secretsmanager or ecr.dkr."
  }
}

variable "flow_log_days" {
  description = "How many days the VPC's flow logs are kept."
  type        = number
  default     = 90

  validation {
    condition     = contains([7, 14, 30, 60, 90, 180, 365], var.flow_log_days)
    error_message = "Choose 7, 14, 30, 60, 90, 180 or 365 days."
  }
}

variable "log_key_arn" {
  description = "The KMS key that encrypts log groups."
  type        = string

  validation {
    condition     = startswith(var.log_key_arn, "arn:")
    error_message = "Give the key's ARN."
  }
}
