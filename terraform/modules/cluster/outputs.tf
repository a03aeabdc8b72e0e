output "name" {
  description = "The cluster's name, once its nodes are there."
  value       = aws_eks_node_group.this.cluster_name
}

output "arn" {
  description = "The cluster's ARN."
  value       = aws_eks_cluster.this.arn
}

output "node_security_group_id" {
  description = "The security group that EKS puts nodes and pods in; the database and the cache let it in."
  value       = aws_eks_cluster.this.vpc_config[0].cluster_security_group_id
}

output "decisions" {
  description = "What matters, as it was decided."
  value = {
    public_api         = aws_eks_cluster.this.vpc_config[0].endpoint_public_access
    subnets            = length(aws_eks_node_group.this.subnet_ids)
    secrets_encrypted  = contains(aws_eks_cluster.this.encryption_config[0].resources, "secrets")
    metadata_hop_limit = aws_launch_template.node.metadata_options[0].http_put_response_hop_limit
  }
}
