# Production: 500 requests a second, three zones (docs/cost.md says what it costs).

module "exchange" {
  source    = "../../exchange"
  providers = { aws = aws, aws.us_east_1 = aws.us_east_1, aws.secrets = aws.secrets }

  environment   = "prod"
  is_production = true

  zones = [for letter in ["a", "b", "c"] : "${var.region}${letter}"]
  cidr  = "10.20.0.0/16"

  administrator_arns   = var.administrator_arns
  kubernetes_api_cidrs = var.kubernetes_api_cidrs
  instance_types       = ["m7g.large"]
  nodes                = { min = 6, desired = 6, max = 12 }

  database = {
    instance_class = "db.m7g.large"
    storage_gb     = 200
    max_storage_gb = 2000
    replicas       = 1
    backup_days    = 35
  }

  cache = { node_type = "cache.m7g.large", nodes = 2 }

  api_domain            = "api.${var.domain}"
  web_domain            = var.domain
  zone_id               = var.zone_id
  mail                  = { domain = var.domain, from = "notices@${var.domain}" }
  security_headers_file = "${path.root}/../../exchange/security-headers.json"

  alarm_emails      = var.alarm_emails
  generate_secrets  = var.generate_secrets
  github_repository = var.github_repository
  state_bucket_arn  = "arn:aws:s3:::${var.state_bucket}"
  monthly_usd       = 2500
}
