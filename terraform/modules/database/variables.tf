variable "name" {
  description = "Prefix of every name, for example crossbook-prod."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{2,30}$", var.name))
    error_message = "Use 3 to 31 lower-case letters, digits and hyphens, beginning with a letter."
  }
}

variable "vpc_id" {
  description = "The VPC."
  type        = string
}

variable "subnet_ids" {
  description = "Subnets without a way out, in three zones."
  type        = list(string)

  validation {
    condition     = length(var.subnet_ids) == 3
    error_message = "Give one subnet in each of three zones."
  }
}

variable "client_security_group_id" {
  description = "The security group of those who may connect: the cluster's nodes."
  type        = string
}

variable "engine_version" {
  description = "PostgreSQL's version: the major one, or one exactly."
  type        = string
  default     = "18"

  validation {
    condition     = can(regex("^(16|17|18)([.][0-9]+)?$", var.engine_version))
    error_message = "Crossbook runs on PostgreSQL 16 to 18."
  }
}

variable "instance_class" {
  description = "The instance class of the writer and its standby."
  type        = string

  validation {
    condition     = startswith(var.instance_class, "db.")
    error_message = "Give a class such as db.m7g.large."
  }
}

variable "storage_gb" {
  description = "Storage at first; it grows by itself up to max_storage_gb."
  type        = number

  validation {
    condition     = var.storage_gb >= 20 && var.storage_gb <= 16384
    error_message = "Take 20 to 16384 GB."
  }
}

variable "max_storage_gb" {
  description = "How far storage may grow by itself."
  type        = number

  validation {
    condition     = var.max_storage_gb >= 22 && var.max_storage_gb <= 65536
    error_message = "Take 22 to 65536 GB."
  }
}

variable "multi_az" {
  description = "Keep a synchronous standby in another zone. Without it a lost zone is a lost database until it is restored."
  type        = bool
}

variable "replicas" {
  description = "Read replicas, for reads of the past only."
  type        = number

  validation {
    condition     = var.replicas >= 0 && var.replicas <= 5
    error_message = "RDS takes 0 to 5."
  }
}

variable "backup_days" {
  description = "How far back the database can be restored to any second."
  type        = number

  validation {
    condition     = var.backup_days >= 1 && var.backup_days <= 35
    error_message = "RDS keeps 1 to 35 days; 0 would mean no backups and no replica."
  }
}

variable "deletion_protection" {
  description = "Refuse to delete the database, and take a last snapshot when that is switched off."
  type        = bool
}

variable "key_arn" {
  description = "The KMS key for storage, backups, Performance Insights and the master password."
  type        = string

  validation {
    condition     = startswith(var.key_arn, "arn:")
    error_message = "Give the key's ARN."
  }
}

variable "enhanced_monitoring_s" {
  description = "Seconds between readings of the operating system's metrics; 0 for none."
  type        = number
  default     = 60

  validation {
    condition     = contains([0, 1, 5, 10, 15, 30, 60], var.enhanced_monitoring_s)
    error_message = "Choose 0, 1, 5, 10, 15, 30 or 60 seconds."
  }
}
