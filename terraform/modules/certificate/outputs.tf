output "arn" {
  description = "The certificate, validated where the zone is ours."
  value       = var.zone_id == "" ? aws_acm_certificate.this.arn : aws_acm_certificate_validation.this[0].certificate_arn
}

output "validation_records" {
  description = "The DNS records that prove the domain is yours."
  value       = aws_acm_certificate.this.domain_validation_options
}
