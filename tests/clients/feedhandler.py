"""Runs in cryptofeed's own environment: follows BTC-USDT and prints what the client makes of it, a line of JSON each.

Its arguments are the exchange's addresses for REST and for streams, and for an account's own orders and balances,
instead of what is public, an API key and its secret. Releases from 3 on know nothing of accounts.
"""

import json
import sys
from decimal import Decimal
from typing import Any

from cryptofeed import FeedHandler, defines  # type: ignore[import-not-found]
from cryptofeed.connection import RestEndpoint, WebsocketEndpoint  # type: ignore[import-not-found]
from cryptofeed.exchanges import Binance  # type: ignore[import-not-found]

SYMBOL = "BTC-USDT"


def plain(amount: Decimal) -> str:
    return format(amount, "f")


def say(kind: str, told: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps({"kind": kind, **told}, default=plain) + "\n")
    sys.stdout.flush()


async def on_trade(trade: Any, _: float) -> None:
    say("trade", {"id": trade.id, "side": trade.side, "price": trade.price, "amount": trade.amount})


async def on_ticker(ticker: Any, _: float) -> None:
    say("ticker", {"bid": ticker.bid, "ask": ticker.ask})


async def on_candle(candle: Any, _: float) -> None:
    say("candle", {"close": candle.close, "trades": candle.trades})


async def on_book(book: Any, _: float) -> None:
    sides = {
        "bids" if side == defines.BID else "asks": [[plain(price), plain(amount)] for price, amount in levels.items()]
        for side, levels in book.book.to_dict().items()
    }
    say("book", {"sequence": book.sequence_number, **sides})


async def on_order(order: Any, _: float) -> None:
    say("order", {"id": order.id, "status": order.status, "remaining": order.remaining})


async def on_balance(balance: Any, _: float) -> None:
    say("balance", {"asset": balance.currency, "free": balance.balance, "locked": balance.reserved})


def main() -> None:
    rest, streams, *credentials = sys.argv[1:]
    Binance.rest_endpoints = [RestEndpoint(rest, routes=Binance.rest_endpoints[0].routes)]
    Binance.websocket_endpoints = [WebsocketEndpoint(streams)]
    # Release 2.4 looks for a running loop in a way that newer releases of uvloop refuse.
    config: dict[str, Any] = {"log": {"disabled": True}, "uvloop": False}
    if not credentials:
        callbacks = {
            defines.L2_BOOK: on_book,
            defines.TRADES: on_trade,
            defines.TICKER: on_ticker,
            defines.CANDLES: on_candle,
        }
    elif hasattr(defines, "ORDER_INFO"):
        config["binance"] = dict(zip(("key_id", "key_secret"), credentials, strict=True))
        callbacks = {defines.ORDER_INFO: on_order, defines.BALANCES: on_balance}
    else:
        say("public only", {})
        return
    handler = FeedHandler(config=config)
    feed = Binance(
        symbols=[SYMBOL], channels=list(callbacks), callbacks=callbacks, config=config, candle_closed_only=False
    )
    handler.add_feed(feed)
    handler.run()


if __name__ == "__main__":
    main()
