"""What a month costs: a plan (what is bought) times prices, line by line, and what the lines teach.

Amounts are exact decimals; a line is rounded to cents when it is shown, the total from what is shown, so that the table
adds up.
"""

import tomllib
from collections.abc import Mapping, Sequence
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any, Final, NamedTuple

HERE: Final = Path(__file__).parent
PRICES_FILE: Final = HERE / "prices.toml"
PLAN_FILE: Final = HERE / "plan.toml"
CENT: Final = Decimal("0.01")
SECONDS_PER_HOUR: Final = 3600
BYTES_PER_GB: Final = 10**9


class Price(NamedTuple):
    usd: Decimal
    source: str
    read: str


class Prices(NamedTuple):
    hours: int
    by_name: Mapping[str, Price]

    def of(self, name: str) -> Decimal:
        return self.by_name[name].usd

    def hourly(self, name: str) -> Decimal:
        return self.of(name) * self.hours


class Line(NamedTuple):
    item: str
    how: str
    usd: Decimal


def read_prices(path: Path = PRICES_FILE) -> Prices:
    content = tomllib.loads(path.read_text(), parse_float=Decimal)
    hours = content.pop("hours_per_month")
    by_name = {}
    for name, price in content.items():
        if not price["source"] or not price["read"] or price["usd"] <= 0:
            raise ValueError(f"{name} needs an amount, a source and a date")
        by_name[name] = Price(Decimal(price["usd"]), price["source"], price["read"])
    return Prices(hours, by_name)


def read_plan(path: Path = PLAN_FILE) -> dict[str, Any]:
    return tomllib.loads(path.read_text(), parse_float=Decimal)


def requests_per_month(plan: Mapping[str, Any], prices: Prices) -> int:
    requests: int = plan["traffic"]["requests_per_second"] * SECONDS_PER_HOUR * prices.hours
    return requests


def lines(plan: Mapping[str, Any], prices: Prices) -> list[Line]:
    """Every line of the bill, the largest machines first."""
    traffic, nodes, database, network = (plan[name] for name in ("traffic", "nodes", "database", "network"))
    of, hourly = prices.of, prices.hourly
    instance, storage_gb, replicas = hourly("rds_m7g_large_hour"), database["storage_gb"], database["replicas"]
    disk_gb = nodes["count"] * nodes["disk_gb"]
    served_gb = traffic["api_gb"] + traffic["web_gb"]
    # One capacity unit carries 1 GB an hour, which is what we use most of.
    units = Decimal(served_gb) / prices.hours
    paid_web_gb = max(traffic["web_gb"] - traffic["web_free_gb"], 0)
    # A request meets a pod in another zone two times in three, and is paid for in both directions.
    crossing_gb = Decimal(served_gb) * (network["zones"] - 1) / network["zones"]
    endpoints = network["interface_endpoints"] * network["zones"]
    return [
        Line("Kubernetes' control plane", "EKS", hourly("eks_cluster_hour")),
        Line(
            "Nodes",
            f"{nodes['count']} x m7g.large, {disk_gb} GB gp3",
            nodes["count"] * hourly("m7g_large_hour") + disk_gb * of("gp3_gb_month"),
        ),
        Line(
            "PostgreSQL, Multi-AZ",
            f"2 x db.m7g.large, {storage_gb} GB",
            2 * instance + storage_gb * of("rds_gp3_multi_az_gb_month"),
        ),
        Line(
            "Read replica",
            f"{replicas} x db.m7g.large, {storage_gb} GB",
            replicas * (instance + storage_gb * of("rds_gp3_gb_month")),
        ),
        Line(
            "Valkey",
            f"{plan['cache']['nodes']} x cache.m7g.large",
            plan["cache"]["nodes"] * hourly("elasticache_valkey_m7g_large_hour"),
        ),
        Line(
            "NAT gateways",
            f"{network['zones']}, {traffic['nat_gb']} GB",
            network["zones"] * hourly("nat_gateway_hour") + traffic["nat_gb"] * of("nat_gateway_gb"),
        ),
        Line(
            "Interface endpoints",
            f"{network['interface_endpoints']} in {network['zones']} zones",
            endpoints * hourly("interface_endpoint_zone_hour"),
        ),
        Line("Load balancer", f"NLB, {units:.1f} units", hourly("nlb_hour") + units * hourly("nlb_nlcu_hour")),
        Line("Out of the API", f"{traffic['api_gb']} GB", traffic["api_gb"] * of("egress_gb")),
        Line(
            "Web page",
            f"CloudFront, {traffic['web_gb']} GB, {traffic['web_free_gb']} GB of them free",
            paid_web_gb * of("cloudfront_gb_beyond_free"),
        ),
        Line("Between zones", f"{crossing_gb:.0f} GB, both ways", crossing_gb * 2 * of("cross_zone_gb")),
        Line("Logs", f"{plan['logs']['gb']} GB into CloudWatch", plan["logs"]["gb"] * of("cloudwatch_logs_gb")),
        Line(
            "Public addresses",
            f"{network['public_addresses']} IPv4",
            network["public_addresses"] * hourly("public_ipv4_hour"),
        ),
        Line("KMS, ECR, S3, DNS", "assumed", of("kms_ecr_s3_dns_month")),
        Line("SNS, SES, Cognito", "assumed", of("sns_ses_cognito_month")),
    ]


def rounded(usd: Decimal) -> Decimal:
    return usd.quantize(CENT, ROUND_HALF_UP)


def total(of: Sequence[Line]) -> Decimal:
    return sum((rounded(line.usd) for line in of), Decimal(0))


class Lesson(NamedTuple):
    """``usd`` a month that a choice would cost or save."""

    text: str
    usd: Decimal


def lessons(plan: Mapping[str, Any], prices: Prices) -> list[Lesson]:
    millions = Decimal(requests_per_month(plan, prices)) / 10**6
    access_gb = Decimal(requests_per_month(plan, prices)) * plan["logs"]["bytes_per_access_line"] / BYTES_PER_GB
    crossing = next(line.usd for line in lines(plan, prices) if line.item == "Between zones")
    endpoint = plan["network"]["zones"] * prices.hourly("interface_endpoint_zone_hour")
    return [
        Lesson(
            "The API behind CloudFront would cost this in request fees alone: it is not.",
            millions * prices.of("cloudfront_million_https_requests"),
        ),
        Lesson(
            f"An access line of {plan['logs']['bytes_per_access_line']} bytes for every request "
            f"would be {access_gb:.0f} GB in CloudWatch: lines are sampled.",
            access_gb * prices.of("cloudwatch_logs_gb"),
        ),
        Lesson("Topology-aware routing keeps requests in their zone and saves most of this.", crossing),
        Lesson("An interface endpoint in three zones costs this; the one for S3 is free.", endpoint),
    ]


def usd_per_million_requests(plan: Mapping[str, Any], prices: Prices) -> Decimal:
    return total(lines(plan, prices)) / (Decimal(requests_per_month(plan, prices)) / 10**6)
