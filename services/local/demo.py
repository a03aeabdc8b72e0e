"""The demo accounts: one for the person at the keyboard, some for the liquidity bot. Their keys survive restarts.

The file is written before the first deposit, and each deposit's reference names account and asset, so a run that is
interrupted here is finished by the next one.
"""

from typing import Final

import msgspec

from services.domain.money import parse_e8
from services.local.data_directory import DataDirectory, write_private
from services.local.internal import Account, InternalClient

# The rate limit on orders is per account, so the bot trades each market from an account of its own.
DEPOSITS: Final = {
    "you": {"USDT": "100000", "BTC": "2", "ETH": "20"},
    "maker-btcusdt": {"USDT": "10000000", "BTC": "200"},
    "maker-ethusdt": {"USDT": "10000000", "ETH": "4000"},
    "maker-ethbtc": {"BTC": "200", "ETH": "4000"},
    "taker": {"USDT": "5000000", "BTC": "100", "ETH": "2000"},
}


class Demo(msgspec.Struct, rename="camel"):
    """Accounts by their role in ``DEPOSITS``; ``funded`` once every deposit is in."""

    accounts: dict[str, Account]
    funded: bool = False


def maker_role(symbol: str) -> str:
    """Name the account that quotes ``symbol``."""
    return f"maker-{symbol.lower()}"


def read_demo(directory: DataDirectory) -> Demo | None:
    return directory.read(directory.demo, Demo)


def ensure_demo(directory: DataDirectory, client: InternalClient) -> Demo:
    """Create and fund what is missing."""
    demo = read_demo(directory)
    if demo is None:
        demo = Demo({role: client.create_account(label=f"demo {role}") for role in DEPOSITS})
        write_private(directory.demo, demo)
    if not demo.funded:
        for role, amounts in DEPOSITS.items():
            user_id = demo.accounts[role].user_id
            for asset, amount in amounts.items():
                client.deposit(user_id, asset, parse_e8(amount), f"demo:{user_id}:{asset}")
        demo.funded = True
        write_private(directory.demo, demo)
    return demo


def ccxt_lines(base_url: str, account: Account) -> str:
    """Return three lines of Python that place an order through ccxt."""
    api = f"'public': '{base_url}/api/v3', 'private': '{base_url}/api/v3', 'sapi': '{base_url}/sapi/v1'"
    settings = ", ".join(
        (
            f"'apiKey': '{account.api_key}'",
            f"'secret': '{account.secret_key}'",
            f"'urls': {{'api': {{{api}}}}}",
            "'options': {'fetchMarkets': {'types': ['spot']}}",
        )
    )
    return "\n".join(
        (
            "import ccxt",
            f"exchange = ccxt.binance({{{settings}}})",
            "print(exchange.create_order('BTC/USDT', 'market', 'buy', 0.01))",
        )
    )
