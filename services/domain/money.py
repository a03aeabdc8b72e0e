"""Fixed-point money: every price, quantity, amount and rate is an integer count of 1e-8 (suffix ``_e8``).

Invariants
- Binary floats never appear. Decimal text is parsed and printed exactly, here and nowhere else.
- A stored value fits a signed 64-bit integer (``0 <= value <= MAX_E8``), as in PostgreSQL's ``bigint``.
- Products are exact where the market is valid (``services.domain.market``); only fees round, in
  ``fee_rounded_half_up``.
"""

import re
from typing import Final

DECIMAL_PLACES: Final = 8
ONE_E8: Final = 10**DECIMAL_PLACES
MAX_E8: Final = 2**63 - 1

# The legal range of a decimal parameter as the dialect prints it in error -1100.
DECIMAL_PATTERN: Final = r"^([0-9]{1,20})(\.[0-9]{1,20})?$"
_decimal = re.compile(r"([0-9]{1,20})(?:\.([0-9]{1,20}))?", re.ASCII)


class NotADecimal(ValueError):
    """The text is not a plain decimal number (signs, exponents, NaN and separators are not plain)."""


class TooPrecise(ValueError):
    """The text has a non-zero digit beyond the eighth decimal place."""


class TooLarge(ValueError):
    """The number does not fit a signed 64-bit count of 1e-8."""


def parse_e8(text: str) -> int:
    """Return the exact count of 1e-8 in ``text``; raise NotADecimal, TooPrecise or TooLarge."""
    match = _decimal.fullmatch(text)
    if match is None:
        raise NotADecimal(text)
    whole, fraction = match.groups()
    fraction = (fraction or "").rstrip("0")
    if len(fraction) > DECIMAL_PLACES:
        raise TooPrecise(text)
    value = int(whole) * ONE_E8 + int(fraction.ljust(DECIMAL_PLACES, "0"))
    if value > MAX_E8:
        raise TooLarge(text)
    return value


def format_e8(value: int) -> str:
    """Print ``value`` with exactly eight decimals, as the dialect does: 150000000 is ``"1.50000000"``."""
    if value >= ONE_E8:
        # A reply may hold thousands of amounts, and cutting the digits takes half as long as dividing.
        digits = str(value)
        return f"{digits[:-DECIMAL_PLACES]}.{digits[-DECIMAL_PLACES:]}"
    return f"0.{value:08d}" if value >= 0 else "-" + format_e8(-value)


def notional_exact(price_e8: int, quantity_e8: int) -> int:
    """Return price times quantity in quote units.

    Exact for every price on the tick and quantity on the step of a valid market, because ``tick * step`` is a whole
    number of 1e-8 quote units (``Market.defects``).
    """
    return price_e8 * quantity_e8 // ONE_E8


def fee_rounded_half_up(received_e8: int, rate_e8: int) -> int:
    """Return the fee on an amount received, rounded half up to 1e-8 (dialect reference section 4.3)."""
    return (received_e8 * rate_e8 + ONE_E8 // 2) // ONE_E8
