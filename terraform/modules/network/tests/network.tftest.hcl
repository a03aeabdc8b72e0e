# Three zones, and no way out for data.

mock_provider "aws" {
  source          = "../../mocks"
  override_during = plan
}

variables {
  name         = "crossbook-test"
  cidr         = "10.20.0.0/16"
  zones        = ["us-east-1a", "us-east-1b", "us-east-1c"]
  nat_per_zone = true
  log_key_arn  = "arn:aws:kms:us-east-1:123456789012:key/0a"
}

run "three_zones" {
  command = plan

  assert {
    condition     = length(output.zones) == 3 && output.nat_gateways == 3
    error_message = "Subnets and a NAT gateway in each of three zones."
  }

  assert {
    condition     = length(distinct([for subnet in concat(values(aws_subnet.public), values(aws_subnet.private), values(aws_subnet.data)) : subnet.cidr_block])) == 9
    error_message = "Nine subnets, each with a range of its own."
  }

  assert {
    condition     = !anytrue([for subnet in concat(values(aws_subnet.public), values(aws_subnet.private), values(aws_subnet.data)) : coalesce(subnet.map_public_ip_on_launch, false)])
    error_message = "Nothing gets a public address by itself."
  }

  assert {
    condition     = aws_flow_log.this.traffic_type == "REJECT"
    error_message = "Rejected connections are logged."
  }
}

run "interface_endpoints" {
  command = plan

  variables {
    interface_endpoints = ["ecr.api", "ecr.dkr"]
  }

  assert {
    condition     = toset([for endpoint in aws_vpc_endpoint.interface : endpoint.service_name]) == toset(["com.amazonaws.us-east-1.ecr.api", "com.amazonaws.us-east-1.ecr.dkr"])
    error_message = "One endpoint for each service."
  }

  assert {
    condition     = aws_vpc_security_group_ingress_rule.endpoints[0].cidr_ipv4 == "10.20.0.0/16"
    error_message = "From inside only."
  }
}

run "two_zones_are_refused" {
  command = plan

  variables {
    zones = ["us-east-1a", "us-east-1b"]
  }

  expect_failures = [var.zones]
}
