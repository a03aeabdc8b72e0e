output "notices_topic_arn" {
  description = "Where the notifier publishes."
  value       = aws_sns_topic.notices.arn
}

output "alarms_topic_arn" {
  description = "Where alarms go."
  value       = aws_sns_topic.alarms.arn
}

output "mail_identity_arn" {
  description = "What mail is sent as; null without a mail domain."
  value       = one(aws_sesv2_email_identity.this[*].arn)
}

output "mail_configuration_set_arn" {
  description = "The configuration set that mail is sent with, by ARN; null without a mail domain."
  value       = one(aws_sesv2_configuration_set.this[*].arn)
}
