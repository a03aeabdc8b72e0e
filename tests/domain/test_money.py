"""Goal: decimal text becomes an exact integer or a named error, and comes back as the same number."""

from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.domain.money import (
    MAX_E8,
    ONE_E8,
    NotADecimal,
    TooLarge,
    TooPrecise,
    fee_rounded_half_up,
    format_e8,
    notional_exact,
    parse_e8,
)

amounts = st.one_of(st.integers(0, MAX_E8), st.integers(0, 10 * ONE_E8), st.integers(MAX_E8 - ONE_E8, MAX_E8))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", 0),
        ("0.0", 0),
        ("1", 100_000_000),
        ("1.5", 150_000_000),
        ("0.00000001", 1),
        ("0.1", 10_000_000),
        ("1.23456789", 123_456_789),
        ("007", 700_000_000),
        ("00000000000000000001.5", 150_000_000),
        ("92233720368.54775807", MAX_E8),
        # Zeros beyond the eighth place change nothing.
        ("1.000000000", 100_000_000),
        ("0.123456780000", 12_345_678),
        ("0.00000000000000000000", 0),
    ],
)
def test_parse(text: str, value: int) -> None:
    assert parse_e8(text) == value


NOT_DECIMALS = [
    *("", " ", ".", "-", "+", "1.", ".5", "1.2.3", "1,5", "1_000", "0x10", "1 000"),
    *(" 1", "1 ", "1\n", "\t1", "1\x00", "\u00a01"),
    *("-1", "+1", "-0", "--1"),
    *("1e5", "1E5", "1e-5", "1.0e8"),
    *("NaN", "nan", "inf", "Infinity", "-inf", "None", "true"),
    # Digits to Python's int(), but not to the dialect: Arabic-Indic, fullwidth, superscript.
    *("\u0661", "1.\u0665", "\uff11", "\u00b2"),
    # More than twenty digits on either side.
    *("1" + "0" * 40, "0" * 21, "0." + "0" * 21, "0." + "1" * 21),
]


@pytest.mark.parametrize("text", NOT_DECIMALS, ids=ascii)
def test_what_is_not_a_plain_decimal(text: str) -> None:
    with pytest.raises(NotADecimal):
        parse_e8(text)


@pytest.mark.parametrize("text", ["0.000000001", "1.123456789", "0.00000000000000000001", "5.100000001"])
def test_digits_beyond_the_eighth_place(text: str) -> None:
    with pytest.raises(TooPrecise):
        parse_e8(text)


@pytest.mark.parametrize("text", ["92233720368.54775808", "92233720369", "99999999999999999999"])
def test_numbers_beyond_64_bits(text: str) -> None:
    with pytest.raises(TooLarge):
        parse_e8(text)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0.00000000"),
        (1, "0.00000001"),
        (150_000_000, "1.50000000"),
        (MAX_E8, "92233720368.54775807"),
        (-1, "-0.00000001"),
        (-150_000_000, "-1.50000000"),
    ],
)
def test_format(value: int, text: str) -> None:
    assert format_e8(value) == text


@given(amounts)
def test_what_is_printed_is_read_back(value: int) -> None:
    assert parse_e8(format_e8(value)) == value


@given(amounts)
def test_the_print_is_the_exact_number_with_eight_places(value: int) -> None:
    text = format_e8(value)
    assert Decimal(text) * ONE_E8 == value
    assert len(text.split(".")[1]) == 8


@given(st.from_regex(r"[0-9]{1,20}(\.[0-9]{1,20})?", fullmatch=True))
def test_every_plain_decimal_is_exact_or_named(text: str) -> None:
    """Goal: nothing is rounded or clipped in silence; ``Fraction`` says what the text means."""
    exact = Fraction(text) * ONE_E8
    try:
        assert parse_e8(text) == exact
    except TooPrecise:
        assert exact.denominator != 1
    except TooLarge:
        assert exact > MAX_E8


@given(st.text(alphabet="0123456789.+-eE_ \u0661\n", max_size=12))
def test_no_text_raises_anything_else(text: str) -> None:
    try:
        value = parse_e8(text)
    except (NotADecimal, TooPrecise, TooLarge):
        return
    assert value == Decimal(text) * ONE_E8


@pytest.mark.parametrize(
    ("price", "quantity", "notional"),
    [
        (ONE_E8, ONE_E8, ONE_E8),
        (50_000 * ONE_E8, 1_000, 50_000_000),
        (1, ONE_E8, 1),
        (ONE_E8, 1, 1),
        (0, ONE_E8, 0),
        (MAX_E8, ONE_E8, MAX_E8),
    ],
)
def test_notional(price: int, quantity: int, notional: int) -> None:
    assert notional_exact(price, quantity) == notional


@given(tick=st.integers(1, 10**10), lots=st.integers(1, 10**6), ticks=st.integers(1, 10**6))
def test_notional_is_exact_on_the_grid_of_a_valid_market(tick: int, lots: int, ticks: int) -> None:
    step = ONE_E8  # with it every tick makes a valid market
    assert notional_exact(ticks * tick, lots * step) * ONE_E8 == ticks * tick * lots * step


@pytest.mark.parametrize(
    ("received", "rate", "fee"),
    [
        (0, 100_000, 0),
        (ONE_E8, 0, 0),
        (ONE_E8, 100_000, 100_000),
        (499, 100_000, 0),
        (500, 100_000, 1),
        (1_499, 100_000, 1),
        (1_500, 100_000, 2),
        (40_229_875, 10_000_000, 4_022_988),
        (MAX_E8, ONE_E8 // 10, 922_337_203_685_477_581),
    ],
)
def test_fee(received: int, rate: int, fee: int) -> None:
    assert fee_rounded_half_up(received, rate) == fee


@given(received=amounts, rate=st.integers(0, ONE_E8 // 10))
def test_the_fee_is_the_nearest_unit_and_never_more_than_was_received(received: int, rate: int) -> None:
    exact = Decimal(received) * Decimal(rate) / ONE_E8
    fee = fee_rounded_half_up(received, rate)
    assert fee == exact.quantize(Decimal(1), ROUND_HALF_UP)
    assert 0 <= fee <= received
