"""What several commands of ``crossbook`` take, and how amounts of assets are read."""

from pathlib import Path
from typing import Annotated, Final

import typer

from services.domain.money import NotADecimal, TooLarge, TooPrecise, parse_e8

DEFAULT_DIRECTORY: Final = Path(".crossbook")

DataDir = Annotated[
    Path,
    typer.Option("--data-dir", envvar="CROSSBOOK_DATA_DIR", help="Where the exchange keeps everything."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]


def parse_amounts(texts: list[str]) -> list[tuple[str, int]]:
    """Read ``USDT=100000`` and the like; a wrong one ends the command with what is wrong about it."""
    return [_parse_amount(text) for text in texts]


def _parse_amount(text: str) -> tuple[str, int]:
    asset, separator, amount = text.partition("=")
    if not separator or not asset.isalnum():
        raise typer.BadParameter(f"{text!r} is not ASSET=AMOUNT, for example USDT=100000")
    return asset.upper(), parse_decimal(amount)


def parse_decimal(text: str) -> int:
    try:
        return parse_e8(text)
    except NotADecimal:
        raise typer.BadParameter(f"{text!r} is not a plain decimal number") from None
    except TooPrecise:
        raise typer.BadParameter(f"{text} has more than eight decimal places") from None
    except TooLarge:
        raise typer.BadParameter(f"{text} is too large") from None
