"""Which calls follow from an answer of the trading service's: what is placed can be seen, changed, cancelled."""

from collections.abc import Iterator
from typing import Final

from services.infra.links import Link, of_body

_ORDER: Final = of_body(symbol="symbol", orderId="orderId")
_FIRST_ORDER: Final = of_body(symbol="0/symbol", orderId="0/orderId")
_LIST: Final = of_body(symbol="symbol", orderListId="orderListId")
_LISTS: Final = ("oco", "oto", "otoco", "opo", "opoco")
_LISTEN_KEY: Final = of_body(listenKey="listenKey")


def _of_orders() -> Iterator[Link]:
    amend = "put_api_v3_order_amend_keepPriority"
    for then in ("get_api_v3_order", "delete_api_v3_order", amend, "get_api_v3_order_amendments"):
        yield Link("post_api_v3_order", 200, then, _ORDER)
        yield Link("get_api_v3_openOrders", 200, then, _FIRST_ORDER)
        yield Link("get_api_v3_allOrders", 200, then, _FIRST_ORDER)
    for after in ("post_api_v3_order", "get_api_v3_openOrders"):
        where = _ORDER if after == "post_api_v3_order" else _FIRST_ORDER
        replaced = {"symbol": where["symbol"], "cancelOrderId": where["orderId"]}
        yield Link(after, 200, "post_api_v3_order_cancelReplace", replaced)
        yield Link(after, 200, "get_api_v3_myTrades", where)
    yield Link("delete_api_v3_order", 200, "get_api_v3_order", _ORDER)


def _of_lists() -> Iterator[Link]:
    for kind in _LISTS:
        yield Link(f"post_api_v3_orderList_{kind}", 200, "delete_api_v3_orderList", _LIST)
        yield Link(f"post_api_v3_orderList_{kind}", 200, "get_api_v3_orderList", of_body(orderListId="orderListId"))
    yield Link("get_api_v3_openOrderList", 200, "get_api_v3_orderList", of_body(orderListId="0/orderListId"))


LINKS: Final = (
    *_of_orders(),
    *_of_lists(),
    Link("post_api_v3_userDataStream", 200, "put_api_v3_userDataStream", _LISTEN_KEY),
    Link("post_api_v3_userDataStream", 200, "delete_api_v3_userDataStream", _LISTEN_KEY),
)
