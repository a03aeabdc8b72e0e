variable "name" {
  description = "The cluster's name and the prefix of every other."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{2,30}$", var.name))
    error_message = "Use 3 to 31 lower-case letters, digits and hyphens, beginning with a letter."
  }
}

variable "kubernetes_version" {
  description = "Kubernetes' minor version."
  type        = string
  default     = "1.33"

  validation {
    condition     = can(regex("^1[.](3[2-9])$", var.kubernetes_version))
    error_message = "The chart is checked from 1.32 on."
  }
}

variable "subnet_ids" {
  description = "Private subnets in three zones, for the control plane's interfaces and the nodes."
  type        = list(string)

  validation {
    condition     = length(var.subnet_ids) == 3
    error_message = "Give one subnet in each of three zones."
  }
}

variable "public_access_cidrs" {
  description = "Who may reach the Kubernetes API from outside; nobody if empty, and then only through the VPC."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for cidr in var.public_access_cidrs : can(cidrhost(cidr, 0)) && cidr != "0.0.0.0/0"])
    error_message = "Give networks in CIDR notation, and not the whole internet."
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

variable "instance_types" {
  description = "Instance types of the nodes; arm64."
  type        = list(string)

  validation {
    condition     = length(var.instance_types) > 0
    error_message = "Name at least one."
  }
}

variable "nodes" {
  description = "How many nodes there are at least, at first and at most; a multiple of three keeps the zones even."
  type        = object({ min = number, desired = number, max = number })

  validation {
    condition     = var.nodes.min >= 1 && var.nodes.min <= var.nodes.desired && var.nodes.desired <= var.nodes.max
    error_message = "At least one node, and min <= desired <= max."
  }
}

variable "node_disk_gb" {
  description = "Each node's disk."
  type        = number
  default     = 50

  validation {
    condition     = var.node_disk_gb >= 20 && var.node_disk_gb <= 1000
    error_message = "Take 20 to 1000 GB."
  }
}

variable "key_arn" {
  description = "The KMS key for Kubernetes' secrets and the nodes' disks."
  type        = string

  validation {
    condition     = startswith(var.key_arn, "arn:")
    error_message = "Give the key's ARN."
  }
}

variable "log_key_arn" {
  description = "The KMS key for the control plane's logs."
  type        = string
}

variable "log_days" {
  description = "How many days the control plane's logs are kept."
  type        = number
  default     = 90

  validation {
    condition     = contains([7, 14, 30, 60, 90, 180, 365], var.log_days)
    error_message = "Choose 7, 14, 30, 60, 90, 180 or 365 days."
  }
}

variable "addons" {
  description = "EKS add-ons, by name; the version is EKS' default for the cluster's."
  type        = set(string)
  default     = ["vpc-cni", "kube-proxy", "coredns", "eks-pod-identity-agent", "aws-ebs-csi-driver"]
}
