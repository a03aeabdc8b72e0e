# The page: private files, and the headers of the one file that says them.

mock_provider "aws" {
  source          = "../../mocks"
  override_during = plan
}

variables {
  name                  = "crossbook-test"
  api_domain            = "api.example.com"
  security_headers_file = "../../exchange/security-headers.json"
}

run "private" {
  command = plan

  assert {
    condition = alltrue([
      aws_s3_bucket_public_access_block.page.block_public_acls,
      aws_s3_bucket_public_access_block.page.block_public_policy,
      aws_s3_bucket_public_access_block.page.ignore_public_acls,
      aws_s3_bucket_public_access_block.page.restrict_public_buckets,
    ])
    error_message = "Nobody but CloudFront reads the bucket."
  }

  assert {
    condition     = aws_cloudfront_origin_access_control.page.signing_behavior == "always"
    error_message = "CloudFront signs what it asks."
  }

  assert {
    condition     = aws_cloudfront_distribution.page.default_cache_behavior[0].viewer_protocol_policy == "redirect-to-https"
    error_message = "HTTPS only."
  }
}

run "headers" {
  command = plan

  assert {
    condition     = strcontains(output.content_security_policy, "connect-src 'self' https://api.example.com wss://api.example.com;")
    error_message = "Scripts may connect to the API and nowhere else."
  }

  assert {
    condition     = strcontains(output.content_security_policy, "script-src 'self';") && !strcontains(output.content_security_policy, "unsafe")
    error_message = "Scripts come from the page only."
  }

  assert {
    condition     = toset(keys(aws_cloudfront_response_headers_policy.this)) == toset(["assets", "page"])
    error_message = "Files with a hash in their name are kept for ever, the page never."
  }
}
