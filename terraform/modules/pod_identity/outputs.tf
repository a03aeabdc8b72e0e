output "role_arns" {
  description = "Roles by the pods they are for."
  value       = { for name, role in aws_iam_role.this : name => role.arn }
}

output "policies" {
  description = "What each role may do, for tests and audits."
  value       = { for name, role in local.roles : name => role.policy }
}
