output "names" {
  description = "The names, in full."
  value       = { for name, record in aws_route53_record.name : name => record.name }
}
