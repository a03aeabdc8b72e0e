output "exchange" {
  description = "Everything a deployment needs to know (docs/deploy.md)."
  value = {
    cluster_name       = module.exchange.cluster_name
    database           = module.exchange.database
    cache_address      = module.exchange.cache_address
    image_repositories = module.exchange.image_repositories
    web                = module.exchange.web
    certificate_arns   = module.exchange.certificate_arns
    topics             = module.exchange.topics
    oidc               = module.exchange.oidc
    role_arns          = module.exchange.role_arns
  }
}

output "decisions" {
  description = "What was decided where it matters."
  value       = module.exchange.decisions
}
