output "identifier" {
  description = "The writer's identifier, for alarms and for drills."
  value       = aws_db_instance.primary.identifier
}

output "replica_identifiers" {
  description = "The replicas' identifiers."
  value       = aws_db_instance.replica[*].identifier
}

output "address" {
  description = "The writer's name; it leads to the standby after a failover."
  value       = aws_db_instance.primary.address
}

output "replica_addresses" {
  description = "Each replica's name."
  value       = aws_db_instance.replica[*].address
}

output "master_secret_arn" {
  description = "The secret that RDS keeps the master password in; for migrations and emergencies."
  value       = try(aws_db_instance.primary.master_user_secret[0].secret_arn, null)
}

output "decisions" {
  description = "What matters, as it was decided."
  value = {
    multi_az            = aws_db_instance.primary.multi_az
    encrypted           = aws_db_instance.primary.storage_encrypted
    public              = anytrue([for instance in concat([aws_db_instance.primary], aws_db_instance.replica) : instance.publicly_accessible])
    deletion_protection = aws_db_instance.primary.deletion_protection
    backup_days         = aws_db_instance.primary.backup_retention_period
    replicas            = length(aws_db_instance.replica)
  }
}
