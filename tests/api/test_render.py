"""Answers made from orders: every amount and time can be read back exactly, and the shape is the schema's."""

from typing import Any

import jsonschema_rs
import msgspec
from hypothesis import given
from hypothesis import strategies as st

from services.domain.events import OrderAccepted, OrderCanceled, OrderExpired, OrderFilled
from services.domain.market import Market
from services.domain.money import MAX_E8, parse_e8
from services.domain.orders import (
    ExpiryReason,
    OrderDetails,
    OrderState,
    OrderStatus,
    OrderType,
    PegPrice,
    SelfTradePrevention,
    Side,
    TimeInForce,
)
from services.domain.protocol import Applied, Depth
from services.trading import commissions, render, schemas
from services.trading.queries import Terms
from services.trading.symbol_rules import exchange_symbol

amounts = st.integers(min_value=0, max_value=MAX_E8)
ids = st.integers(min_value=1, max_value=MAX_E8)
times = st.integers(min_value=0, max_value=MAX_E8)
units = st.sampled_from([1000, 1])
markets = st.builds(
    Market,
    symbol=st.just("BTCUSDT"),
    base_asset=st.just("BTC"),
    quote_asset=st.just("USDT"),
    tick_size_e8=amounts,
    step_size_e8=amounts,
    maker_fee_rate_e8=amounts,
    taker_fee_rate_e8=amounts,
)
details = st.builds(
    OrderDetails,
    stop_price_e8=amounts,
    trailing_delta=st.integers(0, 10_000),
    trailing_us=times,
    iceberg_e8=amounts,
    prevented_e8=amounts,
    prevented_match_id=ids,
    order_list_id=st.integers(0, MAX_E8),
    strategy_id=st.none() | amounts,
    strategy_type=st.none() | amounts,
    peg_price=st.none() | st.sampled_from(PegPrice),
    peg_offset=st.integers(0, 100),
    pegged_price_e8=amounts,
)
orders = st.builds(
    OrderState,
    order_id=ids,
    account_id=ids,
    symbol=st.just("BTCUSDT"),
    client_order_id=st.text("abcXYZ019-_", min_size=1, max_size=36),
    side=st.sampled_from(Side),
    type=st.sampled_from(OrderType),
    time_in_force=st.sampled_from(TimeInForce),
    price_e8=amounts,
    quantity_e8=amounts,
    quote_quantity_e8=amounts,
    executed_e8=amounts,
    executed_quote_e8=amounts,
    status=st.sampled_from(OrderStatus),
    created_us=times,
    updated_us=times,
    working_us=times,
    expiry_reason=st.sampled_from(ExpiryReason),
    self_trade_prevention=st.sampled_from(SelfTradePrevention),
    details=st.none() | details,
)
fills = st.builds(
    OrderFilled,
    trade_id=ids,
    symbol=st.just("BTCUSDT"),
    price_e8=amounts,
    quantity_e8=amounts,
    quote_e8=amounts,
    taker_fee_e8=amounts,
    maker_fee_e8=amounts,
    taker=orders,
    maker=orders,
)
AMOUNTS = {
    "price": "price_e8",
    "origQty": "quantity_e8",
    "executedQty": "executed_e8",
    "origQuoteOrderQty": "quote_quantity_e8",
    "cummulativeQuoteQty": "executed_quote_e8",
}
WORDS = {"status": "status", "timeInForce": "time_in_force", "type": "type", "side": "side"}


def check(schema: schemas.Schema, body: Any) -> Any:
    """Validate the body as it reaches the client, and return it so."""
    received = msgspec.json.decode(msgspec.json.encode(body))
    jsonschema_rs.validate(schema, received)
    return received


def check_order(body: Any, order: OrderState) -> None:
    """The body says of the order what the order is."""
    assert {name: parse_e8(body.get(name, "0")) for name in AMOUNTS} == {
        name: getattr(order, attribute) for name, attribute in AMOUNTS.items()
    }
    assert {name: body[name] for name in WORDS} == {
        name: getattr(order, attribute).value for name, attribute in WORDS.items()
    }
    assert (body["symbol"], body["orderId"]) == (order.symbol, order.order_id)
    assert body["selfTradePreventionMode"] == order.self_trade_prevention.value
    check_details(body, order.details or OrderDetails())


def check_details(body: Any, about: OrderDetails) -> None:
    """What only some orders have is there when they have it."""
    assert body["orderListId"] == (about.order_list_id or -1)
    assert parse_e8(body.get("stopPrice", "0")) == about.stop_price_e8
    assert parse_e8(body.get("icebergQty", "0")) == about.iceberg_e8
    assert body.get("trailingDelta", 0) == about.trailing_delta
    assert ("trailingTime" in body) == (about.trailing_delta > 0)
    assert (body.get("strategyId"), body.get("strategyType")) == (about.strategy_id, about.strategy_type)
    assert parse_e8(body.get("preventedQuantity", "0")) == about.prevented_e8
    assert ("preventedMatchId" in body) == (about.prevented_e8 > 0)
    is_pegged = about.peg_price is not None
    assert body.get("pegPriceType") == (about.peg_price.value if about.peg_price is not None else None)
    assert parse_e8(body.get("peggedPrice", "0")) == (about.pegged_price_e8 if is_pegged else 0)
    assert body.get("pegOffsetValue", 0) == (about.peg_offset if is_pegged else 0)


def times_of(order: OrderState, unit: int) -> int:
    """An order that waits has no working time."""
    return order.working_us // unit if order.working_us else -1


@given(order=orders, unit=units)
def test_an_order_result_can_be_read_back(order: OrderState, unit: int) -> None:
    body = check(schemas.PLACED_LIST_REPORT, render.order_result(order, unit))
    check_order(body, order)
    assert body["clientOrderId"] == order.client_order_id
    assert (body["transactTime"], body["workingTime"]) == (order.created_us // unit, times_of(order, unit))
    assert body.get("expiryReason", "NONE") == order.expiry_reason.value
    acknowledged = check(schemas.ORDER_ACK, render.acknowledgement(order, unit))
    assert acknowledged.items() <= body.items()


@given(order=orders, trades=st.lists(fills, max_size=5), market=markets, unit=units)
def test_fills_can_be_read_back(order: OrderState, trades: list[OrderFilled], market: Market, unit: int) -> None:
    trades = [msgspec.structs.replace(trade, taker=order) for trade in trades]
    applied = Applied(1, order.created_us, [OrderAccepted(order), *trades])
    body = check(schemas.PLACED_LIST_REPORT, render.order_full(order, applied, market, unit))
    check_order(body, order)
    assert [fill["tradeId"] for fill in body["fills"]] == [trade.trade_id for trade in trades]
    assert [parse_e8(fill["price"]) for fill in body["fills"]] == [trade.price_e8 for trade in trades]
    assert [parse_e8(fill["qty"]) for fill in body["fills"]] == [trade.quantity_e8 for trade in trades]
    assert [parse_e8(fill["commission"]) for fill in body["fills"]] == [trade.taker_fee_e8 for trade in trades]
    received = "BTC" if order.side is Side.BUY else "USDT"
    assert {fill["commissionAsset"] for fill in body["fills"]} <= {received}


@given(order=orders, cancel_id=st.text("abc019-_", min_size=1, max_size=36), unit=units)
def test_a_cancel_report_can_be_read_back(order: OrderState, cancel_id: str, unit: int) -> None:
    body = check(schemas.CANCEL_REPORT, render.cancel_report(OrderCanceled(order, cancel_id), unit))
    check_order(body, order)
    assert (body["origClientOrderId"], body["clientOrderId"]) == (order.client_order_id, cancel_id)
    assert body["transactTime"] == order.updated_us // unit


@given(order=orders, unit=units)
def test_a_stored_order_can_be_read_back(order: OrderState, unit: int) -> None:
    row = msgspec.structs.asdict(order) | {
        attribute: getattr(order, attribute).value
        for attribute in (*WORDS.values(), "expiry_reason", "self_trade_prevention")
    }
    row["details"] = None if order.details is None else msgspec.json.encode(order.details).decode()
    body = check(schemas.QUERIED_ORDER, render.queried_order(row, unit))
    check_order(body, order)
    assert (body["time"], body["updateTime"]) == (order.created_us // unit, order.updated_us // unit)
    assert (body["workingTime"], body["isWorking"]) == (times_of(order, unit), order.working_us > 0)
    assert body.get("expiryReason", "NONE") == order.expiry_reason.value


@given(
    row=st.fixed_dictionaries(
        dict.fromkeys(("price_e8", "quantity_e8", "quote_e8", "fee_e8"), amounts)
        | {"trade_id": ids, "order_id": ids, "time_us": times, "details": st.none()}
        | {name: st.booleans() for name in ("is_buyer", "is_maker", "buyer_is_maker")}
    ),
    market=markets,
    unit=units,
)
def test_trades_can_be_read_back(row: dict[str, Any], market: Market, unit: int) -> None:
    own = check(schemas.OWN_TRADE, render.own_trade(row, market, unit))
    public = check(schemas.PUBLIC_TRADE, render.public_trade(row, unit))
    for body in (own, public):
        assert [parse_e8(body[name]) for name in ("price", "qty", "quoteQty")] == [
            row[name] for name in ("price_e8", "quantity_e8", "quote_e8")
        ]
        assert (body["id"], body["time"]) == (row["trade_id"], row["time_us"] // unit)
    assert (parse_e8(own["commission"]), own["orderId"]) == (row["fee_e8"], row["order_id"])
    assert own["commissionAsset"] == ("BTC" if row["is_buyer"] else "USDT")
    assert (own["isBuyer"], own["isMaker"]) == (row["is_buyer"], row["is_maker"])
    assert public["isBuyerMaker"] == row["buyer_is_maker"]


@given(
    bids=st.lists(st.tuples(amounts, amounts), max_size=5),
    asks=st.lists(st.tuples(amounts, amounts), max_size=5),
    update_id=ids,
)
def test_a_book_can_be_read_back(bids: list[tuple[int, int]], asks: list[tuple[int, int]], update_id: int) -> None:
    book = Depth(update_id, bids, asks)
    body = check(schemas.DEPTH, render.depth(book))
    assert body["lastUpdateId"] == update_id
    for name, levels in (("bids", bids), ("asks", asks)):
        assert [(parse_e8(price), parse_e8(quantity)) for price, quantity in body[name]] == levels
    ticker = check(schemas.BOOK_TICKER, render.book_ticker("BTCUSDT", book))
    assert (parse_e8(ticker["bidPrice"]), parse_e8(ticker["bidQty"])) == (bids[0] if bids else (0, 0))
    assert (parse_e8(ticker["askPrice"]), parse_e8(ticker["askQty"])) == (asks[0] if asks else (0, 0))


@given(market=markets)
def test_a_markets_filters_can_be_read_back(market: Market) -> None:
    body = msgspec.json.decode(msgspec.json.encode(exchange_symbol(market)))
    price, lot = body["filters"][:2]
    assert (price["filterType"], parse_e8(price["tickSize"])) == ("PRICE_FILTER", market.tick_size_e8)
    assert (lot["filterType"], parse_e8(lot["stepSize"])) == ("LOT_SIZE", market.step_size_e8)
    rates = check(schemas.ORDER_COMMISSION, commissions.order_commission(Terms().fee_rates(market)))[
        "standardCommissionForOrder"
    ]
    assert (parse_e8(rates["maker"]), parse_e8(rates["taker"])) == (market.maker_fee_rate_e8, market.taker_fee_rate_e8)


@given(order=orders, last=orders, maker=orders, trade=fills)
def test_the_final_state_is_that_of_the_last_event_about_the_order(
    order: OrderState, last: OrderState, maker: OrderState, trade: OrderFilled
) -> None:
    about = msgspec.structs.replace(last, order_id=order.order_id)
    elsewhere = msgspec.structs.replace(maker, order_id=order.order_id + 1)
    accepted = OrderAccepted(order)
    as_taker = msgspec.structs.replace(trade, taker=about, maker=elsewhere)
    as_maker = msgspec.structs.replace(trade, taker=elsewhere, maker=about)
    for event in (as_taker, as_maker, OrderExpired(about), OrderCanceled(about, "x")):
        applied = Applied(1, 1, [accepted, event, OrderExpired(elsewhere)])
        assert render.final_state(applied, order.order_id) is about
    assert render.final_state(Applied(1, 1, [accepted]), order.order_id) is order
    assert render.placed_order_id([accepted, as_taker]) == order.order_id
