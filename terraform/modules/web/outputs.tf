output "bucket" {
  description = "Where the built page is copied to."
  value       = aws_s3_bucket.page.bucket
}

output "bucket_arn" {
  description = "The bucket's ARN, for the policy of who may copy."
  value       = aws_s3_bucket.page.arn
}

output "distribution_id" {
  description = "What to invalidate after copying."
  value       = aws_cloudfront_distribution.page.id
}

output "distribution_arn" {
  description = "The distribution's ARN."
  value       = aws_cloudfront_distribution.page.arn
}

output "domain" {
  description = "CloudFront's name; the page's own name is an alias of it."
  value       = aws_cloudfront_distribution.page.domain_name
}

output "content_security_policy" {
  description = "What the page's scripts may do, as CloudFront says it."
  value       = local.headers["content-security-policy"]
}
