# Development: the same exchange, small, and nothing that cannot be deleted.

module "exchange" {
  source    = "../../exchange"
  providers = { aws = aws, aws.us_east_1 = aws.us_east_1, aws.secrets = aws.secrets }

  environment   = "dev"
  is_production = false

  zones = [for letter in ["a", "b", "c"] : "${var.region}${letter}"]
  cidr  = "10.30.0.0/16"

  administrator_arns   = var.administrator_arns
  kubernetes_api_cidrs = var.kubernetes_api_cidrs
  instance_types       = ["t4g.large"]
  nodes                = { min = 2, desired = 3, max = 4 }

  database = {
    instance_class = "db.t4g.medium"
    storage_gb     = 20
    max_storage_gb = 100
    replicas       = var.emulated ? 0 : 1
    backup_days    = 3
  }

  cache = var.emulated ? null : { node_type = "cache.t4g.small", nodes = 1 }

  api_domain            = "api.${var.domain}"
  web_domain            = var.emulated ? "" : var.domain
  zone_id               = var.zone_id
  mail                  = var.emulated ? null : { domain = var.domain, from = "notices@${var.domain}" }
  security_headers_file = "${path.root}/../../exchange/security-headers.json"
  cognito_callback_urls = ["https://${var.domain}/signed-in"]

  alarm_emails      = var.alarm_emails
  generate_secrets  = var.generate_secrets
  github_repository = var.github_repository
  state_bucket_arn  = "arn:aws:s3:::${var.state_bucket}"
  monthly_usd       = var.emulated ? 0 : 600
  log_days          = 7
  emulated          = var.emulated
}
