"""The commands that show and set the terms of trading: of the venue, of its markets, of single accounts.

Setting is a command to the engine, journaled like an order. What a command does not name stays as it is: the terms in
force are read first, so two operators at once may undo each other.
"""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec
import typer
from msgspec.structs import replace

from services.domain.commands import SetAccountTerms
from services.domain.market import MAX_FEE_RATE_E8, Market, MarketStatus, Venue
from services.domain.money import format_e8
from services.domain.orders import SelfTradePrevention
from services.engine.markets_file import MarketsFileInvalid, plain_decimal, read_definitions, write_market
from services.local import committed
from services.local.data_directory import DataDirectory
from services.local.internal import InternalClient, NotDone
from services.local.options import DEFAULT_DIRECTORY, AsJson, DataDir, parse_amounts, parse_decimal

if TYPE_CHECKING:
    from services.trading.queries import Terms

AS_EVERYONE: Final = "default"
MAX_COUNT: Final = 1_000_000
MAX_GROUP: Final = 2**31 - 1
_MODES: Final = ", ".join(mode.value for mode in SelfTradePrevention)


venue = typer.Typer(no_args_is_help=True, help="Show and set the limits that span markets; halt them all.")
market = typer.Typer(no_args_is_help=True, help="Define, show, open and halt markets.")

Rate = Annotated[str | None, typer.Option(metavar="RATE", help="Such as 0.0005; `default` is the market's own.")]


# The venue


@venue.command("show")
def show_venue(data_dir: DataDir = DEFAULT_DIRECTORY, as_json: AsJson = False) -> None:
    """Show the limits that span markets, each for one account. Markets have limits of their own: `market show`.

    - `crossbook venue show --json`
    """
    with InternalClient(DataDirectory(data_dir)) as client:
        _print_venue(committed.venue(client.state), as_json=as_json)


@venue.command("set")
def set_venue(
    max_orders: Annotated[int | None, typer.Option(min=0, max=MAX_COUNT, help="Open orders.")] = None,
    max_algo_orders: Annotated[int | None, typer.Option(min=0, max=MAX_COUNT, help="Open stop orders.")] = None,
    max_iceberg_orders: Annotated[int | None, typer.Option(min=0, max=MAX_COUNT, help="Open iceberg orders.")] = None,
    max_order_lists: Annotated[int | None, typer.Option(min=0, max=MAX_COUNT, help="Open order lists.")] = None,
    max_asset: Annotated[
        list[str] | None,
        typer.Option(metavar="ASSET=AMOUNT", help="The most that one order may give or take; may be repeated."),
    ] = None,
    data_dir: DataDir = DEFAULT_DIRECTORY,
    as_json: AsJson = False,
) -> None:
    """Limit what one account may have open in all markets together, and what one order may move. 0 lifts a limit.

    What is not named stays as it is. Open orders stay, too: a limit is for orders to come, which are refused with
    EXCHANGE_MAX_NUM_ORDERS, EXCHANGE_MAX_NUM_ALGO_ORDERS, EXCHANGE_MAX_NUM_ICEBERG_ORDERS, EXCHANGE_MAX_NUM_ORDER_LISTS
    or MAX_ASSET.

    - `crossbook venue set --max-orders 1000 --max-algo-orders 50`
    - `crossbook venue set --max-asset BTC=100 --max-asset USDT=5000000`
    - `crossbook venue set --max-orders 0 --max-asset BTC=0` — no such limits any more
    """
    wanted = {
        "max_open_orders": max_orders,
        "max_algo_orders": max_algo_orders,
        "max_iceberg_orders": max_iceberg_orders,
        "max_order_lists": max_order_lists,
    }
    changes: dict[str, Any] = {name: count for name, count in wanted.items() if count is not None}
    amounts = dict(parse_amounts(max_asset or []))
    if not changes and not amounts:
        raise typer.BadParameter("say what to set, for example --max-orders 1000; `crossbook venue show` shows it")
    with InternalClient(DataDirectory(data_dir)) as client:
        _check_assets(amounts, committed.markets(client.state))
        now = committed.venue(client.state)
        merged = dict(now.max_order_amounts_e8) | amounts
        kept = tuple(sorted((asset, amount_e8) for asset, amount_e8 in merged.items() if amount_e8))
        client.define_venue(replace(now, max_order_amounts_e8=kept, **changes))
        _print_venue(committed.venue(client.state), as_json=as_json)


def _check_assets(amounts: dict[str, int], markets: dict[str, Market]) -> None:
    listed = {asset for market in markets.values() for asset in (market.base_asset, market.quote_asset)}
    unknown = sorted(amounts.keys() - listed)
    if unknown:
        raise NotDone(f"no market trades {', '.join(unknown)}; there are: {', '.join(sorted(listed))}")


def _print_venue(limits: Venue, *, as_json: bool) -> None:
    counts = {
        "maxOrders": limits.max_open_orders,
        "maxAlgoOrders": limits.max_algo_orders,
        "maxIcebergOrders": limits.max_iceberg_orders,
        "maxOrderLists": limits.max_order_lists,
    }
    if as_json:
        amounts = {asset: format_e8(amount_e8) for asset, amount_e8 in limits.max_order_amounts_e8}
        _print_json({**counts, "maxAssets": amounts})
        return
    titles = ("Open orders", "Open stop orders", "Open iceberg orders", "Open order lists")
    for title, count in zip(titles, counts.values(), strict=True):
        typer.echo(f"{title:<22}{count or 'no limit'}")
    for asset, amount_e8 in limits.max_order_amounts_e8:
        typer.echo(f"{f'{asset} in one order':<22}{plain_decimal(amount_e8)}")


# Markets


@market.command("status")
def market_status(
    symbol: Annotated[str, typer.Argument(help="The market, for example BTCUSDT.")],
    new_status: Annotated[MarketStatus, typer.Argument(metavar="STATUS", help="TRADING, HALT, BREAK or CANCEL_ONLY.")],
    data_dir: DataDir = DEFAULT_DIRECTORY,
    as_json: AsJson = False,
) -> None:
    """Open, halt or close a market of the running exchange. Resting orders stay, and can always be cancelled.

    - `crossbook market status BTCUSDT HALT`
    - `crossbook market status BTCUSDT TRADING --json`
    """
    with InternalClient(DataDirectory(data_dir)) as client:
        client.set_market_status(symbol, new_status)
    if as_json:
        _print_json({"symbol": symbol, "status": new_status.value})
    else:
        typer.echo(f"{symbol} is now {new_status.value}.")


@market.command("show")
def show_markets(
    symbol: Annotated[str | None, typer.Argument(help="One market; without it, all.")] = None,
    data_dir: DataDir = DEFAULT_DIRECTORY,
    as_json: AsJson = False,
) -> None:
    """Show how markets are defined, as a file that `market define` takes.

    - `crossbook market show BTCUSDT > btc.toml`, change the file, `crossbook market define btc.toml`
    - `crossbook market show --json` — amounts and rates in units of 0.00000001
    """
    with InternalClient(DataDirectory(data_dir)) as client:
        markets = committed.markets(client.state)
    if symbol is not None and symbol not in markets:
        raise NotDone(f"no market {symbol}; there are: {', '.join(markets)}")
    chosen = [one for one in markets.values() if symbol in (None, one.symbol)]
    if as_json:
        _print_json(msgspec.to_builtins(chosen))
    else:
        typer.echo("\n".join(map(write_market, chosen)), nl=False)


@market.command("define")
def define_markets(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A TOML file of [[market]] tables.")],
    data_dir: DataDir = DEFAULT_DIRECTORY,
    as_json: AsJson = False,
) -> None:
    """List new markets, or change the filters, limits and fees of listed ones, while the exchange runs.

    The file is like the engine's own, which `crossbook market show` prints; a [venue] table in it sets the limits that
    span markets. A listed market keeps its assets, and its grid can only become finer while orders are open. Nothing is
    delisted: halt a market instead.

    What is defined so lasts: the file of an engine that starts (CROSSBOOK_MARKETS_FILE) no longer governs these
    markets.

    - `crossbook market define markets.toml`
    """
    try:
        definitions = read_definitions(file)
    except MarketsFileInvalid as error:
        raise NotDone(f"nothing was changed: {error}") from None
    with InternalClient(DataDirectory(data_dir)) as client:
        changed = [(one.symbol, client.define_market(one)) for one in definitions.markets]
        if definitions.venue is not None:
            changed.append(("venue", client.define_venue(definitions.venue)))
    if as_json:
        _print_json({"changed": [name for name, is_new in changed if is_new]})
        return
    for name, is_new in changed:
        typer.echo(f"{name} is now as the file says." if is_new else f"{name} was so already.")


# Accounts


def account_terms(
    user_id: Annotated[int, typer.Argument(min=1, help="The userId that `account create` printed.")],
    maker_fee: Rate = None,
    taker_fee: Rate = None,
    stp: Annotated[
        str | None,
        typer.Option(
            metavar="MODE",
            help=f"Self-trade prevention of orders that name none: {_MODES} or `default`, the market's.",
        ),
    ] = None,
    group: Annotated[
        int | None,
        typer.Option(min=0, max=MAX_GROUP, help="Accounts of one group count as one owner of orders; 0 for no group."),
    ] = None,
    data_dir: DataDir = DEFAULT_DIRECTORY,
    as_json: AsJson = False,
) -> None:
    """Show what holds for one account only, or set it: fees, self-trade prevention, trade group.

    What is not named stays as it is. Fees are for trades to come, of open orders too.

    - `crossbook account terms 1000`
    - `crossbook account terms 1000 --maker-fee 0 --taker-fee 0.0005`
    - `crossbook account terms 1000 --stp EXPIRE_BOTH --group 7`
    - `crossbook account terms 1000 --maker-fee default --taker-fee default` — the market's fees again
    """
    changes: dict[str, Any] = {}
    if maker_fee is not None:
        changes["maker_fee_rate_e8"] = _parse_rate(maker_fee)
    if taker_fee is not None:
        changes["taker_fee_rate_e8"] = _parse_rate(taker_fee)
    if stp is not None:
        changes["self_trade_prevention"] = _parse_prevention(stp)
    if group is not None:
        changes["trade_group_id"] = group
    with InternalClient(DataDirectory(data_dir)) as client:
        ask = partial(committed.account_terms, client.state, user_id)
        if changes:
            client.set_account_terms(SetAccountTerms(user_id, *ask()._replace(**changes)))
        _print_terms(user_id, ask(), as_json=as_json)


def _parse_rate(text: str) -> int | None:
    if text == AS_EVERYONE:
        return None
    rate_e8 = parse_decimal(text)
    if rate_e8 > MAX_FEE_RATE_E8:
        raise typer.BadParameter(f"{text} is above {plain_decimal(MAX_FEE_RATE_E8)}, the highest rate; 0.001 is 0.1 %")
    return rate_e8


def _parse_prevention(text: str) -> SelfTradePrevention | None:
    if text == AS_EVERYONE:
        return None
    try:
        return SelfTradePrevention(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is none of {_MODES} and default") from None


def _print_terms(user_id: int, terms: "Terms", *, as_json: bool) -> None:
    prevention = terms.self_trade_prevention
    mode = None if prevention is None else prevention.value
    maker, taker = (
        None if rate_e8 is None else plain_decimal(rate_e8)
        for rate_e8 in (terms.maker_fee_rate_e8, terms.taker_fee_rate_e8)
    )
    if as_json:
        shown = {"userId": user_id, "makerFee": maker, "takerFee": taker, "selfTradePrevention": mode}
        _print_json({**shown, "tradeGroupId": terms.trade_group_id})
        return
    for title, value in (("Maker fee", maker), ("Taker fee", taker), ("Self-trade prevention", mode)):
        typer.echo(f"{title:<23}{value or 'as the market has it'}")
    typer.echo(f"{'Trade group':<23}{terms.trade_group_id or 'none'}")


def _print_json(document: Any) -> None:
    typer.echo(msgspec.json.encode(document).decode())
