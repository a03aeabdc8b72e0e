data "aws_region" "current" {}

locals {
  widgets = [
    { title = "Database: CPU, %", namespace = "AWS/RDS", metric = "CPUUtilization", dimension = "DBInstanceIdentifier", of = concat([var.database.identifier], var.replica_identifiers) },
    { title = "Database: write latency, s", namespace = "AWS/RDS", metric = "WriteLatency", dimension = "DBInstanceIdentifier", of = [var.database.identifier] },
    { title = "Database: free storage, bytes", namespace = "AWS/RDS", metric = "FreeStorageSpace", dimension = "DBInstanceIdentifier", of = [var.database.identifier] },
    { title = "Database: connections", namespace = "AWS/RDS", metric = "DatabaseConnections", dimension = "DBInstanceIdentifier", of = concat([var.database.identifier], var.replica_identifiers) },
    { title = "Replica: lag, s", namespace = "AWS/RDS", metric = "ReplicaLag", dimension = "DBInstanceIdentifier", of = var.replica_identifiers },
    { title = "Cache: CPU, %", namespace = "AWS/ElastiCache", metric = "EngineCPUUtilization", dimension = "CacheClusterId", of = var.cache_member_ids },
    { title = "Cache: memory, %", namespace = "AWS/ElastiCache", metric = "DatabaseMemoryUsagePercentage", dimension = "CacheClusterId", of = var.cache_member_ids },
    { title = "Error lines", namespace = var.name, metric = null, dimension = null, of = keys(var.log_groups) },
  ]
}

resource "aws_cloudwatch_dashboard" "this" {
  dashboard_name = var.name
  dashboard_body = jsonencode({
    widgets = [
      for index, widget in local.widgets : {
        type   = "metric"
        x      = (index % 2) * 12
        y      = floor(index / 2) * 6
        width  = 12
        height = 6
        properties = {
          title  = widget.title
          region = data.aws_region.current.name
          period = 60
          stat   = widget.metric == null ? "Sum" : "Average"
          metrics = widget.metric == null ? [for service in widget.of : [widget.namespace, "ErrorLines-${service}"]] : [
            for id in widget.of : [widget.namespace, widget.metric, widget.dimension, id]
          ]
        }
      } if length(widget.of) > 0
    ]
  })
}
