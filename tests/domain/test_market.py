"""Goal: a market is valid exactly when trading on it can never round a notional, overflow or contradict itself."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from services.domain.market import MAX_FEE_RATE_E8, Market
from services.domain.money import MAX_E8, ONE_E8

VALID = Market(
    symbol="BTCUSDT",
    base_asset="BTC",
    quote_asset="USDT",
    tick_size_e8=ONE_E8 // 100,
    step_size_e8=ONE_E8 // 100_000,
)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"symbol": "1000SATSUSDT"},
        {"symbol": "A" * 20, "base_asset": "B" * 20, "quote_asset": "C" * 20},
        {"tick_size_e8": 1, "step_size_e8": ONE_E8},
        {"tick_size_e8": ONE_E8, "step_size_e8": 1},
        {"tick_size_e8": 10_000, "step_size_e8": 10_000},
        {"min_price_e8": 5},
        {"max_price_e8": 5},
        {"min_price_e8": 5, "max_price_e8": 5},
        {"min_quantity_e8": MAX_E8, "max_quantity_e8": MAX_E8},
        {"max_market_quantity_e8": MAX_E8},
        {"min_notional_e8": 1, "max_notional_e8": 2},
        {"max_open_orders": 1},
        {"maker_fee_rate_e8": 0, "taker_fee_rate_e8": 0},
        {"maker_fee_rate_e8": MAX_FEE_RATE_E8, "taker_fee_rate_e8": MAX_FEE_RATE_E8},
    ],
)
def test_valid(changes: dict[str, Any]) -> None:
    assert replace(VALID, **changes).defects() == []


NAMES = ["", "btcusdt", "BTC-USDT", "BTC USDT", "BTC\n", "A" * 21, "\u0411TC", "BTC\u0661"]
BOUNDS = ["price", "quantity", "notional"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        *[({"symbol": name}, "symbol must") for name in NAMES],
        *[({"base_asset": name}, "base asset must") for name in NAMES],
        *[({"quote_asset": name}, "quote asset must") for name in NAMES],
        ({"base_asset": "USDT"}, "must differ"),
        ({"tick_size_e8": 0}, "must be positive"),
        ({"step_size_e8": 0}, "must be positive"),
        ({"tick_size_e8": -ONE_E8, "step_size_e8": -ONE_E8}, "must be positive"),
        ({"tick_size_e8": (MAX_E8 // ONE_E8 + 1) * ONE_E8}, "must be positive"),
        ({"step_size_e8": (MAX_E8 // ONE_E8 + 1) * ONE_E8}, "must be positive"),
        ({"tick_size_e8": 1}, "whole number"),
        ({"tick_size_e8": 9_999, "step_size_e8": 10_000}, "whole number"),
        *[({f"min_{bound}_e8": -1}, "between 0 and its maximum") for bound in BOUNDS],
        *[({f"max_{bound}_e8": -1}, "between 0 and its maximum") for bound in BOUNDS],
        *[({f"min_{bound}_e8": 6, f"max_{bound}_e8": 5}, "between 0 and its maximum") for bound in BOUNDS],
        *[({f"min_{bound}_e8": MAX_E8 + 1}, "between 0 and its maximum") for bound in BOUNDS],
        *[({f"max_{bound}_e8": MAX_E8 + 1}, "between 0 and its maximum") for bound in BOUNDS],
        ({"max_market_quantity_e8": -1}, "between 0 and its maximum"),
        ({"max_market_quantity_e8": MAX_E8 + 1}, "between 0 and its maximum"),
        ({"max_open_orders": 0}, "open orders"),
        ({"max_open_orders": -1}, "open orders"),
        ({"max_open_orders": MAX_E8 + 1}, "open orders"),
        ({"maker_fee_rate_e8": -1}, "fee rates"),
        ({"taker_fee_rate_e8": -1}, "fee rates"),
        ({"maker_fee_rate_e8": MAX_FEE_RATE_E8 + 1}, "fee rates"),
        ({"taker_fee_rate_e8": MAX_FEE_RATE_E8 + 1}, "fee rates"),
    ],
)
def test_each_defect_is_named(changes: dict[str, Any], words: str) -> None:
    defects = replace(VALID, **changes).defects()
    assert any(words in defect for defect in defects), defects


def test_all_defects_are_named_at_once() -> None:
    assert len(replace(VALID, symbol="", tick_size_e8=0, max_open_orders=0).defects()) == 3


# Few divisors of 10**8 and some of their neighbours: grids that are often, but not always, valid.
sizes = st.sampled_from([size + off for size in (1, 8, 625, 10_000, 12_500, ONE_E8 // 4, ONE_E8) for off in (0, 0, 1)])


@given(tick=sizes, step=sizes, ticks=st.integers(1, 10**6), lots=st.integers(1, 10**6))
def test_on_a_valid_grid_every_notional_is_a_whole_number_of_units(tick: int, step: int, ticks: int, lots: int) -> None:
    if replace(VALID, tick_size_e8=tick, step_size_e8=step).defects():
        assert tick * step % ONE_E8, "one step at one tick would not be exact"
    else:
        assert ticks * tick * lots * step % ONE_E8 == 0


numbers = st.sampled_from([0, 0, 1, ONE_E8, ONE_E8, MAX_E8 // ONE_E8 * ONE_E8, MAX_E8, MAX_E8 + 1, 2**70])


@given(st.fixed_dictionaries({name: numbers for name in Market.__struct_fields__ if name.endswith(("e8", "orders"))}))
def test_a_valid_market_fits_the_wire(changes: dict[str, Any]) -> None:
    """Goal: what the core accepts can be journaled, and stored as a bigint."""
    market = replace(VALID, **{**changes, "maker_fee_rate_e8": 0, "taker_fee_rate_e8": 0})
    if not market.defects():
        assert msgspec.msgpack.decode(msgspec.msgpack.encode(market), type=Market) == market
        assert all(value <= MAX_E8 for value in changes.values())
