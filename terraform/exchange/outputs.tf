output "cluster_name" {
  description = "For `aws eks update-kubeconfig --name`."
  value       = module.cluster.name
}

output "database" {
  description = "Names to connect to (values of the chart), and where the owner's password is."
  value = {
    names             = module.names.names
    address           = module.database.address
    replica_addresses = module.database.replica_addresses
    master_secret_arn = module.database.master_secret_arn
  }
}

output "cache_address" {
  description = "The cache's name; null where there is none."
  value       = one(module.cache[*].address)
}

output "image_repositories" {
  description = "Where images are pushed to."
  value       = module.registry.repository_urls
}

output "web" {
  description = "Where the page is copied to, what is to be invalidated then, and the name it has."
  value       = { bucket = module.web.bucket, distribution_id = module.web.distribution_id, domain = module.web.domain }
}

output "certificate_arns" {
  description = "For the load balancer's TLS listener."
  value       = { api = module.api_certificate.arn }
}

output "topics" {
  description = "Where notices and alarms are published."
  value       = { notices = module.messaging.notices_topic_arn, alarms = module.messaging.alarms_topic_arn }
}

output "oidc" {
  description = "Issuer and audience of Cognito's tokens; null without Cognito."
  value       = length(module.identity) == 0 ? null : { issuer = module.identity[0].issuer, audience = module.identity[0].client_id }
}

output "role_arns" {
  description = "Roles of pods, and of CI."
  value       = merge(module.pod_identity.role_arns, try({ for name, arn in module.ci[0].role_arns : "ci-${name}" => arn }, {}))
}

output "decisions" {
  description = "What was decided where it matters, for people who review a plan and for tests."
  value = {
    zones        = module.network.zones
    nat_gateways = module.network.nat_gateways
    cluster      = module.cluster.decisions
    database     = module.database.decisions
    cache        = one(module.cache[*].decisions)
    alarms       = module.observability.alarms
    firewall     = length(module.firewall) > 0
  }
}
