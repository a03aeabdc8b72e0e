output "arns" {
  description = "Every secret's ARN, for the policy of who may read them."
  value = concat(
    [
      aws_secretsmanager_secret.internal_token.arn,
      aws_secretsmanager_secret.encryption_key.arn,
      aws_secretsmanager_secret.cache_token.arn,
    ],
    [for secret in aws_secretsmanager_secret.database : secret.arn],
    [for secret in aws_secretsmanager_secret.given : secret.arn],
  )
}

output "cache_token_arn" {
  description = "The secret with the cache's token, once it has a value."
  value       = var.generate ? aws_secretsmanager_secret_version.cache_token[0].arn : aws_secretsmanager_secret.cache_token.arn
}
