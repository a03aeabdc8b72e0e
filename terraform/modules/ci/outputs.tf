output "role_arns" {
  description = "What workflows assume, by what they do."
  value       = { for name, role in aws_iam_role.this : name => role.arn }
}

output "subjects" {
  description = "Which workflows may assume which role."
  value       = local.subjects
}

output "policies" {
  description = "What each role may do, for tests and audits."
  value = {
    plan    = data.aws_iam_policy_document.plan.json
    release = data.aws_iam_policy_document.release.json
  }
}
