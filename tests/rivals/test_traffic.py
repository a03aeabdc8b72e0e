"""What the generator's traders believe of their orders is what the exchange told them."""

from loadtests.traffic import REFUSED_STATUS, Kind, Traffic
from loadtests.venue import Trader

OPENED = [("BTCUSDT", f"b{number}") for number in range(50)]


def cancel(traffic: Traffic, status: int, body: bytes) -> tuple[str, str, list[tuple[str, str]]]:
    """The order named in the next cancel, and what its trader believes open after such an answer."""
    while True:
        request = traffic.order_entry()
        if request.kind is Kind.CANCEL:
            traffic.learn(request, status, body)
            return request.symbol, request.client_order_id, request.party.open
        request.party.open[:] = OPENED


def test_an_order_whose_cancel_was_refused_is_still_open() -> None:
    traffic = Traffic([Trader("key", b"secret")], seed=1)
    symbol, client_order_id, still_open = cancel(traffic, REFUSED_STATUS, b'{"code":-1008,"msg":""}')
    assert sorted(still_open) == sorted(OPENED)
    assert (symbol, client_order_id) in still_open


def test_an_order_that_was_cancelled_or_gone_is_not() -> None:
    for status, body in ((200, b"{}"), (400, b'{"code":-2011,"msg":""}')):
        traffic = Traffic([Trader("key", b"secret")], seed=1)
        symbol, client_order_id, still_open = cancel(traffic, status, body)
        assert (symbol, client_order_id) not in still_open
        assert len(still_open) == len(OPENED) - 1
