variable "repositories" {
  description = "Names of the image repositories."
  type        = set(string)

  validation {
    condition     = length(var.repositories) > 0 && alltrue([for name in var.repositories : can(regex("^[a-z0-9][a-z0-9/_-]{1,100}$", name))])
    error_message = "Name at least one repository, in lower case."
  }
}

variable "key_arn" {
  description = "The KMS key that encrypts images."
  type        = string

  validation {
    condition     = startswith(var.key_arn, "arn:")
    error_message = "Give the key's ARN."
  }
}

variable "kept_images" {
  description = "How many images of a repository are kept; older ones expire."
  type        = number
  default     = 50

  validation {
    condition     = var.kept_images >= 10 && var.kept_images <= 1000
    error_message = "Keep 10 to 1000 images: a rollback needs some."
  }
}

variable "force_delete" {
  description = "Delete repositories that still hold images when they are destroyed."
  type        = bool
  default     = false
}
