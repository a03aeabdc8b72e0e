output "data_key_arn" {
  description = "Encrypts what is stored."
  value       = aws_kms_key.data.arn
}

output "log_key_arn" {
  description = "Encrypts logs."
  value       = aws_kms_key.logs.arn
}
