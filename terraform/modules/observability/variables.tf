variable "name" {
  description = "Prefix of every name, for example crossbook-prod."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{2,30}$", var.name))
    error_message = "Use 3 to 31 lower-case letters, digits and hyphens, beginning with a letter."
  }
}

variable "log_groups" {
  description = "Log groups of what runs in the cluster, and how many days each is kept."
  type        = map(number)

  validation {
    condition     = alltrue([for days in values(var.log_groups) : contains([7, 14, 30, 60, 90, 180, 365, 731, 1827, 2557, 3653], days)])
    error_message = "Keep logs for a number of days that CloudWatch knows: 7, 14, 30, 60, 90, 180, 365, 731, 1827, 2557 or 3653."
  }
}

variable "log_key_arn" {
  description = "The KMS key that encrypts logs."
  type        = string
}

variable "alarm_topic_arn" {
  description = "Where alarms go."
  type        = string
}

variable "database" {
  description = "The writer's identifier and its storage in GB."
  type        = object({ identifier = string, storage_gb = number })
}

variable "replica_identifiers" {
  description = "The read replicas' identifiers."
  type        = list(string)
  default     = []
}

variable "cache_member_ids" {
  description = "The cache's nodes."
  type        = list(string)
  default     = []
}

variable "cluster_name" {
  description = "The EKS cluster."
  type        = string
}
