output "log_group_arns" {
  description = "Log groups by service."
  value       = { for name, group in aws_cloudwatch_log_group.this : name => group.arn }
}

output "alarms" {
  description = "Every alarm's name."
  value = sort(concat(
    [for alarm in aws_cloudwatch_metric_alarm.database : alarm.alarm_name],
    [for alarm in aws_cloudwatch_metric_alarm.replica_lag : alarm.alarm_name],
    [for alarm in aws_cloudwatch_metric_alarm.cache : alarm.alarm_name],
  ))
}
