output "vpc_id" {
  description = "The VPC."
  value       = aws_vpc.this.id
}

output "cidr" {
  description = "The VPC's IPv4 range."
  value       = aws_vpc.this.cidr_block
}

output "private_subnet_ids" {
  description = "Where nodes and pods run, one subnet a zone."
  value       = [for zone in var.zones : aws_subnet.private[zone].id]
}

output "data_subnet_ids" {
  description = "Where PostgreSQL and Valkey run, one subnet a zone, without a way out."
  value       = [for zone in var.zones : aws_subnet.data[zone].id]
}

output "public_subnet_ids" {
  description = "Where the load balancer and the NAT gateways are."
  value       = [for zone in var.zones : aws_subnet.public[zone].id]
}

output "zones" {
  description = "The zones that subnets are in."
  value       = sort(distinct([for subnet in aws_subnet.private : subnet.availability_zone]))
}

output "nat_gateways" {
  description = "How many NAT gateways there are."
  value       = length(aws_nat_gateway.this)
}

output "closed_security_group_id" {
  description = "The VPC's own security group, which lets nothing through."
  value       = aws_default_security_group.closed.id
}
