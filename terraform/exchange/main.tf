# One exchange on AWS: what exists, and what knows what. Every decision that production needs hangs on one variable,
# is_production, so that an environment is either safe or visibly not.

locals {
  name     = "crossbook-${var.environment}"
  services = toset(["auth", "backoffice", "engine", "notifier", "trading"])
  # Emulators make clusters without one.
  nodes_security_group_id = var.emulated ? module.network.closed_security_group_id : module.cluster.node_security_group_id
}

module "keys" {
  source = "../modules/keys"

  name                 = local.name
  deletion_window_days = var.is_production ? 30 : 7
}

module "network" {
  source = "../modules/network"

  name                = local.name
  cidr                = var.cidr
  zones               = var.zones
  nat_per_zone        = var.is_production
  interface_endpoints = var.interface_endpoints
  flow_log_days       = var.is_production ? 90 : 7
  log_key_arn         = module.keys.log_key_arn
}

module "cluster" {
  source = "../modules/cluster"

  name                = local.name
  subnet_ids          = module.network.private_subnet_ids
  public_access_cidrs = var.kubernetes_api_cidrs
  administrator_arns  = var.emulated ? [] : var.administrator_arns
  instance_types      = var.instance_types
  nodes               = var.nodes
  key_arn             = module.keys.data_key_arn
  log_key_arn         = module.keys.log_key_arn
  addons              = var.emulated ? [] : ["vpc-cni", "kube-proxy", "coredns", "eks-pod-identity-agent", "aws-ebs-csi-driver", "metrics-server"]
}

module "registry" {
  source = "../modules/registry"

  repositories = ["${local.name}/services", "${local.name}/web"]
  key_arn      = module.keys.data_key_arn
  force_delete = !var.is_production
}

module "secrets" {
  source    = "../modules/secrets"
  providers = { aws = aws.secrets }

  name = local.name
  # monitor: who reads PostgreSQL's statistics, and no table.
  services      = setunion(local.services, ["monitor"])
  generate      = var.generate_secrets
  key_arn       = module.keys.data_key_arn
  recovery_days = var.is_production ? 30 : 0
}

module "messaging" {
  source = "../modules/messaging"

  name         = local.name
  key_arn      = module.keys.data_key_arn
  alarm_emails = var.alarm_emails
  mail_domain  = try(var.mail.domain, "")
  zone_id      = var.zone_id
}

module "database" {
  source = "../modules/database"

  name                     = local.name
  vpc_id                   = module.network.vpc_id
  subnet_ids               = module.network.data_subnet_ids
  client_security_group_id = local.nodes_security_group_id
  engine_version           = var.database.engine_version
  instance_class           = var.database.instance_class
  storage_gb               = var.database.storage_gb
  max_storage_gb           = var.database.max_storage_gb
  multi_az                 = var.is_production
  replicas                 = var.database.replicas
  backup_days              = var.database.backup_days
  deletion_protection      = var.is_production
  key_arn                  = module.keys.data_key_arn
}

module "cache" {
  source = "../modules/cache"
  count  = var.cache == null ? 0 : 1

  name                     = local.name
  vpc_id                   = module.network.vpc_id
  subnet_ids               = module.network.data_subnet_ids
  client_security_group_id = local.nodes_security_group_id
  node_type                = var.cache.node_type
  nodes                    = var.cache.nodes
  key_arn                  = module.keys.data_key_arn
  auth_token_secret_arn    = module.secrets.cache_token_arn
  alarm_topic_arn          = module.messaging.alarms_topic_arn
}

module "names" {
  source = "../modules/names"

  vpc_id = module.network.vpc_id
  names = merge(
    { database = module.database.address },
    var.database.replicas > 0 ? { replica = module.database.replica_addresses[0] } : {},
  )
}

module "firewall" {
  source    = "../modules/firewall"
  count     = var.is_production ? 1 : 0
  providers = { aws = aws.us_east_1 }

  name        = local.name
  log_key_arn = module.edge_keys[0].log_key_arn
}

# Keys are regional, and the firewall's log is where CloudFront's things are.
module "edge_keys" {
  source    = "../modules/keys"
  count     = var.is_production ? 1 : 0
  providers = { aws = aws.us_east_1 }

  name = "${local.name}-edge"
}

module "web_certificate" {
  source    = "../modules/certificate"
  count     = var.web_domain == "" ? 0 : 1
  providers = { aws = aws.us_east_1 }

  domain  = var.web_domain
  zone_id = var.zone_id
}

module "api_certificate" {
  source = "../modules/certificate"

  domain  = var.api_domain
  zone_id = var.zone_id
}

module "web" {
  source = "../modules/web"

  name                  = local.name
  domain                = var.web_domain
  api_domain            = var.api_domain
  certificate_arn       = try(module.web_certificate[0].arn, "")
  web_acl_arn           = try(module.firewall[0].arn, "")
  security_headers_file = var.security_headers_file
  headers_policy        = !var.emulated
  zone_id               = var.zone_id
  force_destroy         = !var.is_production
}

module "identity" {
  source = "../modules/identity"
  count  = length(var.cognito_callback_urls) > 0 ? 1 : 0

  name                = local.name
  callback_urls       = var.cognito_callback_urls
  deletion_protection = var.is_production
}

module "observability" {
  source = "../modules/observability"

  name = local.name
  log_groups = merge(
    { for service in local.services : service => var.log_days },
    { migration = var.log_days, gateway = var.log_days, audit = var.is_production ? 3653 : var.log_days },
  )
  log_key_arn         = module.keys.log_key_arn
  alarm_topic_arn     = module.messaging.alarms_topic_arn
  database            = { identifier = module.database.identifier, storage_gb = var.database.storage_gb }
  replica_identifiers = [for number in range(var.database.replicas) : "${local.name}-replica-${number + 1}"]
  cache_member_ids    = var.cache == null ? [] : [for number in range(var.cache.nodes) : format("%s-%03d", local.name, number + 1)]
  cluster_name        = module.cluster.name
}

module "pod_identity" {
  source = "../modules/pod_identity"

  name                = local.name
  cluster_name        = module.cluster.name
  cluster_arn         = module.cluster.arn
  create_associations = !var.emulated
  # The migration runs as the database's owner, whose password RDS keeps.
  secret_arns                = concat(module.secrets.arns, compact([module.database.master_secret_arn]))
  key_arn                    = module.keys.data_key_arn
  notices_topic_arn          = module.messaging.notices_topic_arn
  mail_identity_arn          = module.messaging.mail_identity_arn
  mail_configuration_set_arn = module.messaging.mail_configuration_set_arn
  mail_from                  = try(var.mail.from, "")
  log_group_arns             = values(module.observability.log_group_arns)
  zone_id                    = var.zone_id
  dns_names                  = [var.api_domain]
}

module "ci" {
  source = "../modules/ci"
  count  = var.github_repository == "" ? 0 : 1

  name             = local.name
  repository       = var.github_repository
  environment      = var.environment
  create_provider  = var.github_provider
  repository_arns  = values(module.registry.repository_arns)
  web_bucket_arn   = module.web.bucket_arn
  distribution_arn = module.web.distribution_arn
  state_bucket_arn = var.state_bucket_arn
}

module "budget" {
  source = "../modules/budget"
  count  = var.monthly_usd > 0 ? 1 : 0

  name        = local.name
  monthly_usd = var.monthly_usd
  topic_arn   = module.messaging.alarms_topic_arn
  tag         = var.environment
}
