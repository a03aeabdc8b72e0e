# One file says which security headers the page has, wherever it is served from. CloudFront takes some of them as
# settings of its own and the rest as custom headers.

locals {
  file        = jsondecode(file(var.security_headers_file))
  api_origins = " https://${var.api_domain} wss://${var.api_domain}"

  headers = {
    for name, value in merge(local.file.headers, local.file.overTls) :
    lower(name) => replace(value, "$API_ORIGINS", local.api_origins)
  }

  hsts = local.headers["strict-transport-security"]

  settings = [
    "content-security-policy",
    "referrer-policy",
    "strict-transport-security",
    "x-content-type-options",
    "x-frame-options",
  ]

  custom = { for name, value in local.headers : name => value if !contains(local.settings, name) }

  # How long a path's files may be kept; "/" is all the rest.
  kept = { for path, value in local.file.cacheControl : path == "/" ? "page" : replace(trim(path, "/"), "/", "-") => value }
}

resource "aws_cloudfront_response_headers_policy" "this" {
  for_each = var.headers_policy ? local.kept : {}

  name    = "${var.name}-${each.key}"
  comment = "The page's headers, ${each.value}"

  security_headers_config {
    content_security_policy {
      content_security_policy = local.headers["content-security-policy"]
      override                = true
    }

    content_type_options {
      override = true
    }

    frame_options {
      frame_option = local.headers["x-frame-options"]
      override     = true
    }

    referrer_policy {
      referrer_policy = local.headers["referrer-policy"]
      override        = true
    }

    strict_transport_security {
      access_control_max_age_sec = tonumber(regex("max-age=([0-9]+)", local.hsts)[0])
      include_subdomains         = strcontains(lower(local.hsts), "includesubdomains")
      preload                    = strcontains(lower(local.hsts), "preload")
      override                   = true
    }
  }

  custom_headers_config {
    dynamic "items" {
      for_each = merge(local.custom, { "cache-control" = each.value })

      content {
        header   = items.key
        value    = items.value
        override = true
      }
    }
  }
}
