output "pool_id" {
  description = "The pool."
  value       = aws_cognito_user_pool.this.id
}

output "issuer" {
  description = "The issuer of its tokens, for the auth service's OpenID Connect settings."
  value       = "https://${aws_cognito_user_pool.this.endpoint}"
}

output "client_id" {
  description = "The audience of its tokens."
  value       = aws_cognito_user_pool_client.web.id
}
