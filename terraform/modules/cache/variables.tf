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

variable "node_type" {
  description = "The node type."
  type        = string

  validation {
    condition     = startswith(var.node_type, "cache.")
    error_message = "Give a type such as cache.m7g.large."
  }
}

variable "nodes" {
  description = "The primary and its replicas; with two or more in different zones it fails over by itself."
  type        = number

  validation {
    condition     = var.nodes >= 1 && var.nodes <= 6
    error_message = "A shard has 1 to 6 nodes."
  }
}

variable "key_arn" {
  description = "The KMS key that encrypts what is on disk."
  type        = string

  validation {
    condition     = startswith(var.key_arn, "arn:")
    error_message = "Give the key's ARN."
  }
}

variable "auth_token_secret_arn" {
  description = "The secret that holds the token clients authenticate with."
  type        = string

  validation {
    condition     = startswith(var.auth_token_secret_arn, "arn:")
    error_message = "Give the secret's ARN."
  }
}

variable "alarm_topic_arn" {
  description = "The SNS topic that hears of failovers and maintenance."
  type        = string
}
