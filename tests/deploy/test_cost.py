"""The cost table: right by hand, up to date, and refused where a price says nothing of itself."""

from decimal import Decimal
from pathlib import Path

import pytest

from deploy.cost import table
from deploy.cost.page import PAGE, page
from deploy.cost.table import PRICES_FILE, lines, read_plan, read_prices


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text() == page(read_plan(), read_prices()), "python -m deploy.cost"


# By hand, from the prices as they are in the file.
@pytest.mark.parametrize(
    ("item", "usd"),
    [
        ("Kubernetes' control plane", "73.00"),
        ("Nodes", "381.41"),
        ("PostgreSQL, Multi-AZ", "291.28"),
        ("Read replica", "145.64"),
        ("Valkey", "184.54"),
        ("NAT gateways", "107.55"),
        ("Load balancer", "77.87"),
        ("Out of the API", "829.44"),
        ("Web page", "0.00"),
        ("Between zones", "136.53"),
        ("Logs", "50.00"),
        ("Public addresses", "21.90"),
    ],
)
def test_lines_are_as_by_hand(item: str, usd: str) -> None:
    (line,) = (line for line in lines(read_plan(), read_prices()) if line.item == item)
    assert table.rounded(line.usd) == Decimal(usd)


def test_the_table_adds_up_and_stays_within_the_budget() -> None:
    found = lines(read_plan(), read_prices())
    assert table.total(found) == sum(table.rounded(line.usd) for line in found) == Decimal("2324.16")
    budget = (PAGE.parents[1] / "terraform" / "environments" / "prod" / "main.tf").read_text()
    assert "monthly_usd       = 2500" in budget


def test_the_plan_is_what_terraform_buys() -> None:
    production = (PAGE.parents[1] / "terraform" / "environments" / "prod" / "main.tf").read_text()
    plan = read_plan()
    assert f"desired = {plan['nodes']['count']}," in production
    assert f"storage_gb     = {plan['database']['storage_gb']}" in production
    assert f"replicas       = {plan['database']['replicas']}" in production
    assert f'"cache.m7g.large", nodes = {plan["cache"]["nodes"]}' in production
    assert '"db.m7g.large"' in production
    assert '["m7g.large"]' in production


def test_more_requests_cost_more_per_month_and_less_each() -> None:
    prices, plan, busier = read_prices(), read_plan(), read_plan()
    for name in ("requests_per_second", "api_gb"):
        busier["traffic"][name] *= 2
    assert table.total(lines(busier, prices)) > table.total(lines(plan, prices))
    assert table.usd_per_million_requests(busier, prices) < table.usd_per_million_requests(plan, prices)


@pytest.mark.parametrize(
    ("wrong", "right"),
    [('source = ""', 'source = "assumed"'), ("usd = 0", "usd = 0.10"), ('read = ""', 'read = "2026-09/10"')],
)
def test_a_price_must_say_where_it_is_from(wrong: str, right: str, tmp_path: Path) -> None:
    text = PRICES_FILE.read_text()
    assert right in text
    (tmp_path / "prices.toml").write_text(text.replace(right, wrong, 1))
    with pytest.raises(ValueError, match="needs an amount, a source and a date"):
        read_prices(tmp_path / "prices.toml")
