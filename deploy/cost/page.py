"""docs/cost.md, written from the plan and the prices."""

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from deploy.cost import table
from deploy.cost.table import Prices

PAGE: Final = Path(__file__).parents[2] / "docs" / "cost.md"


def page(plan: Mapping[str, Any], prices: Prices) -> str:
    lines = table.lines(plan, prices)
    total = table.total(lines)
    largest = max(lines, key=lambda line: line.usd)
    requests = table.requests_per_month(plan, prices)
    reply_kb = Decimal(plan["traffic"]["api_gb"]) * 1024**3 / requests / 1000
    parts = [
        "# What it costs",
        "",
        "Written by `python -m deploy.cost` from [`plan.toml`](../deploy/cost/plan.toml) and"
        " [`prices.toml`](../deploy/cost/prices.toml); change those, not this page.",
        "",
        f"{plan['traffic']['requests_per_second']} requests a second are {requests // 10**6:,} million a month of"
        f" {prices.hours} hours; {plan['traffic']['api_gb']} GB out of the API are {reply_kb:.1f} KB a reply."
        " US dollars, us-east-1, on demand, without tax.",
        "",
        "| | | a month |",
        "|---|---|---:|",
        *(f"| {line.item} | {line.how} | {table.rounded(line.usd):,} |" for line in lines),
        f"| **together** | | **{total:,}** |",
        "",
        f"That is {table.rounded(table.usd_per_million_requests(plan, prices))} for a million requests.",
        "",
        "## What the numbers say",
        "",
        f"- {largest.item} is the largest line ({largest.usd / total:.0%}): compression and streams"
        " that send differences matter more than anything else.",
        *(f"- {lesson.text} ({table.rounded(lesson.usd):,} a month)" for lesson in table.lessons(plan, prices)),
        "- Committing to a year saves 23 to 34 % on nodes and RDS; nothing in the table assumes it.",
        "- Machines are sized for three zones, not for load: one may be lost. Load that grows adds mostly to what goes"
        " out.",
        "",
        "## Watching it",
        "",
        "The dashboard *Crossbook: cost of a request* counts with the same prices what requests cost now: bytes out,"
        " CPU, database time. AWS' own budget (module `budget`) tells when a month's forecast is over the limit; it"
        " needs the tag `Environment` activated as a cost allocation tag in the billing console, once.",
        "",
        "## Prices",
        "",
        "| | US dollars | from | read |",
        "|---|---:|---|---|",
        *(
            f"| `{name}` | {price.usd} | {price.source} | {price.read} |"
            for name, price in sorted(prices.by_name.items())
        ),
        "",
    ]
    return "\n".join(parts)
