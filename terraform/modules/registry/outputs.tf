output "repository_arns" {
  description = "ARNs by repository name."
  value       = { for name, repository in aws_ecr_repository.this : name => repository.arn }
}

output "repository_urls" {
  description = "Where images are pushed to, by repository name."
  value       = { for name, repository in aws_ecr_repository.this : name => repository.repository_url }
}
