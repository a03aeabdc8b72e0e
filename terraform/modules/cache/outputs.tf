output "address" {
  description = "The primary's name; it leads to the new one after a failover."
  value       = aws_elasticache_replication_group.this.primary_endpoint_address
}

output "member_ids" {
  description = "The nodes, for alarms."
  value       = aws_elasticache_replication_group.this.member_clusters
}

output "decisions" {
  description = "What matters, as it was decided."
  value = {
    multi_az             = aws_elasticache_replication_group.this.multi_az_enabled
    encrypted_in_transit = aws_elasticache_replication_group.this.transit_encryption_enabled
    encrypted_at_rest    = aws_elasticache_replication_group.this.at_rest_encryption_enabled
  }
}
