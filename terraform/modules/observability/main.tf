# CloudWatch has what only AWS sees (docs/monitoring.md): the database's and the cache's machines, and logs. What our
# processes do is Prometheus' and Alertmanager's. The alarms here reach people when the cluster itself is gone.

resource "aws_cloudwatch_log_group" "this" {
  for_each = var.log_groups

  name              = "/${var.name}/${each.key}"
  retention_in_days = each.value
  kms_key_id        = var.log_key_arn
}

# Error lines by service: the one thing of ours that is counted here, for when Prometheus is not there to ask.
resource "aws_cloudwatch_log_metric_filter" "errors" {
  for_each = var.log_groups

  name           = "${var.name}-${each.key}-errors"
  log_group_name = aws_cloudwatch_log_group.this[each.key].name
  pattern        = "{ $.level = \"error\" || $.level = \"critical\" }"

  metric_transformation {
    name          = "ErrorLines-${each.key}"
    namespace     = var.name
    value         = "1"
    default_value = "0"
  }
}

locals {
  gb = 1024 * 1024 * 1024

  # Alarm: what is measured, in which way it is wrong, for how long, and what to do.
  database = {
    cpu = {
      metric     = "CPUUtilization", statistic = "Average", comparison = "GreaterThanThreshold", threshold = 80, minutes = 15
      what_to_do = "docs/runbooks/database-busy.md"
    }
    storage = {
      metric     = "FreeStorageSpace", statistic = "Minimum", comparison = "LessThanThreshold", threshold = floor(var.database.storage_gb * local.gb / 10), minutes = 5
      what_to_do = "docs/runbooks/database-storage.md"
    }
    memory = {
      metric     = "FreeableMemory", statistic = "Minimum", comparison = "LessThanThreshold", threshold = floor(local.gb / 2), minutes = 15
      what_to_do = "docs/runbooks/database-busy.md"
    }
    commit-latency = {
      metric     = "WriteLatency", statistic = "Average", comparison = "GreaterThanThreshold", threshold = 0.02, minutes = 10
      what_to_do = "docs/runbooks/settlement-slow.md"
    }
    connections = {
      metric     = "DatabaseConnections", statistic = "Maximum", comparison = "GreaterThanThreshold", threshold = 400, minutes = 5
      what_to_do = "docs/runbooks/database-busy.md"
    }
    transaction-ids = {
      metric     = "MaximumUsedTransactionIDs", statistic = "Maximum", comparison = "GreaterThanThreshold", threshold = 1000000000, minutes = 60
      what_to_do = "docs/runbooks/database-busy.md"
    }
  }

  cache = {
    cpu = {
      metric     = "EngineCPUUtilization", statistic = "Average", comparison = "GreaterThanThreshold", threshold = 80, minutes = 15
      what_to_do = "docs/runbooks/redis-away.md"
    }
    memory = {
      metric     = "DatabaseMemoryUsagePercentage", statistic = "Maximum", comparison = "GreaterThanThreshold", threshold = 80, minutes = 10
      what_to_do = "docs/runbooks/redis-away.md"
    }
    replication-lag = {
      metric     = "ReplicationLag", statistic = "Maximum", comparison = "GreaterThanThreshold", threshold = 10, minutes = 5
      what_to_do = "docs/runbooks/redis-away.md"
    }
  }

  cache_alarms = merge([
    for node in var.cache_member_ids : { for name, alarm in local.cache : "${node}-${name}" => merge(alarm, { node = node }) }
  ]...)
}

resource "aws_cloudwatch_metric_alarm" "database" {
  for_each = local.database

  alarm_name          = "${var.name}-database-${each.key}"
  alarm_description   = "See ${each.value.what_to_do}"
  namespace           = "AWS/RDS"
  metric_name         = each.value.metric
  statistic           = each.value.statistic
  comparison_operator = each.value.comparison
  threshold           = each.value.threshold
  period              = 60
  evaluation_periods  = each.value.minutes
  datapoints_to_alarm = each.value.minutes
  treat_missing_data  = "breaching"
  dimensions          = { DBInstanceIdentifier = var.database.identifier }
  alarm_actions       = [var.alarm_topic_arn]
  ok_actions          = [var.alarm_topic_arn]
}

resource "aws_cloudwatch_metric_alarm" "replica_lag" {
  for_each = toset(var.replica_identifiers)

  alarm_name          = "${var.name}-${each.value}-lag"
  alarm_description   = "See docs/runbooks/replica-lag.md"
  namespace           = "AWS/RDS"
  metric_name         = "ReplicaLag"
  statistic           = "Maximum"
  comparison_operator = "GreaterThanThreshold"
  threshold           = 30
  period              = 60
  evaluation_periods  = 10
  datapoints_to_alarm = 10
  treat_missing_data  = "breaching"
  dimensions          = { DBInstanceIdentifier = each.value }
  alarm_actions       = [var.alarm_topic_arn]
  ok_actions          = [var.alarm_topic_arn]
}

resource "aws_cloudwatch_metric_alarm" "cache" {
  for_each = local.cache_alarms

  alarm_name          = "${var.name}-cache-${each.key}"
  alarm_description   = "See ${each.value.what_to_do}"
  namespace           = "AWS/ElastiCache"
  metric_name         = each.value.metric
  statistic           = each.value.statistic
  comparison_operator = each.value.comparison
  threshold           = each.value.threshold
  period              = 60
  evaluation_periods  = each.value.minutes
  datapoints_to_alarm = each.value.minutes
  treat_missing_data  = "missing"
  dimensions          = { CacheClusterId = each.value.node }
  alarm_actions       = [var.alarm_topic_arn]
  ok_actions          = [var.alarm_topic_arn]
}

# RDS tells of failovers and of a storage that runs full itself.
resource "aws_db_event_subscription" "database" {
  name             = "${var.name}-database"
  sns_topic        = var.alarm_topic_arn
  source_type      = "db-instance"
  source_ids       = concat([var.database.identifier], var.replica_identifiers)
  event_categories = ["availability", "failover", "failure", "low storage", "maintenance", "recovery"]
}
