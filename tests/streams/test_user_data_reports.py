"""The pure renderer, held to tables: what the core's own events for each command become for the accounts involved.

A row says, in the notation of ``tests/core/scenario.py``, what is done and what one actor is told of it. An event is
written as its type or execution type and status, then the fields that matter there: ``TRADE/FILLED c=bob1 l=1``.
"""

import json
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from services.domain.commands import (
    Command,
    HoldWithdrawal,
    RejectWithdrawal,
    SetAccountStatus,
    SetAccountTerms,
    SettleWithdrawal,
    TransferFunds,
    Withdraw,
)
from services.domain.events import Event
from services.domain.money import ONE_E8
from services.domain.standing import AccountStatus
from services.trading.user_data.cursor import LAST, Cursor, NotACursor, parse_cursor
from services.trading.user_data.reports import EXECUTIONS_PER_ENTRY, user_events
from tests.core.scenario import ACTORS, MARKET, Scenario
from tests.core.venue import CoreVenue

FUNDS = "ada 10000 USDT, ada 100 BTC, bob 10000 USDT, bob 100 BTC"
ADA, BOB = ACTORS["ada"], ACTORS["bob"]
TENTH_OF_A_PERCENT = ONE_E8 // 1000
WITH_FEES = replace(MARKET, maker_fee_rate_e8=TENTH_OF_A_PERCENT, taker_fee_rate_e8=2 * TENTH_OF_A_PERCENT)

# Fields of every executionReport in the order of section 8.4.
ALWAYS = list("eEscSofqpPFgCxXrilzLnNTtIwmMOZYQV")


class Told:
    """A market in which every command makes an entry of its own; ``told`` is what one actor hears of the last text."""

    def __init__(self, market: Any = MARKET, funds: str = FUNDS) -> None:
        self.venue = CoreVenue()
        self.scenario = Scenario(self.venue, market, funds)
        self.sequence = 0

    def after(self, text: str, actor: str, unit: int = 1000) -> list[dict[str, Any]]:
        """Do one thing; return what the actor hears of it."""
        (outcome,) = self.scenario.play(text)
        assert outcome.refusal is None, outcome.refusal
        return self.render([list(self.venue.events)], actor, unit)

    def render(self, commands: list[list[Event]], actor: str, unit: int = 1000) -> list[dict[str, Any]]:
        self.sequence += 1
        # As the feed hands them over: through the journal's encoding.
        encoded = msgspec.msgpack.encode(commands)
        decoded = msgspec.msgpack.decode(encoded, type=list[list[Event]])
        account_id = ACTORS[actor]
        markets = {self.scenario.market.symbol: self.scenario.market}
        told = user_events(self.sequence, self.scenario.now_us, decoded, {account_id}, markets, unit)
        assert told.keys() <= {account_id}
        return told.get(account_id, [])


def summary(event: dict[str, Any], like: str = "") -> str:
    """Type and those fields that ``like`` speaks of."""
    kind = event["e"]
    if kind == "executionReport":
        head = f"{event['x']}/{event['X']}"
    elif kind == "listStatus":
        head = f"list {event['l']}/{event['L']}"
    elif kind == "outboundAccountPosition":
        return "balances " + " ".join(f"{_plain(row['f'])}+{_plain(row['l'])}{row['a']}" for row in event["B"])
    else:
        head = kind
    fields = [part.partition("=")[0] for part in like.split() if "=" in part]
    return " ".join([head, *(f"{name}={_plain(event.get(name, 'absent'))}" for name in fields)])


def _plain(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return json.dumps(value)
    text = str(value)
    return (text.rstrip("0").rstrip(".") or "0") if "." in text else text


# What happens before, the command, who listens, and what that one hears in order.
LIVES: dict[str, tuple[str, str, str, list[str]]] = {
    "a limit order rests": (
        "",
        "ada buys 2 at 100 as bid",
        "ada",
        [
            "NEW/NEW c=bid S=BUY o=LIMIT f=GTC q=2 p=100 z=0 Z=0 l=0 L=0 Y=0 t=-1 n=0 N=null w=true m=false C= g=-1 "
            "r=NONE",
            "balances 9800+200USDT",
        ],
    ),
    "a replacement is refused after its cancel": (
        "ada buys 1 at 90 as bid",
        "ada replaces bid with buys 200 at 95 as new",
        "ada",
        [
            "CANCELED/CANCELED C=bid r=NONE",
            "REJECTED/REJECTED c=new i=-1 q=200 p=95 r=INSUFFICIENT_BALANCES w=false z=0",
            "balances 10000+0USDT",
        ],
    ),
    "nobody else hears of it": ("", "ada buys 2 at 100 as bid", "bob", []),
    "the taker of two makers": (
        "bob sells 1 at 99 as low, bob sells 1 at 100 as high",
        "ada buys 2 at 100 as bid",
        "ada",
        [
            "NEW/NEW c=bid w=true",
            "TRADE/PARTIALLY_FILLED c=bid l=1 L=99 Y=99 z=1 Z=99 t=1 m=false w=true M=true",
            "TRADE/FILLED c=bid l=1 L=100 Y=100 z=2 Z=199 t=2 m=false w=false M=true",
            "balances 9801+0USDT 102+0BTC",
        ],
    ),
    "the maker of a part": (
        "ada buys 2 at 100 as bid",
        "bob sells 0.5 at 100",
        "ada",
        [
            "TRADE/PARTIALLY_FILLED c=bid S=BUY q=2 l=0.5 L=100 z=0.5 t=1 m=true w=true",
            "balances 9800+150USDT 100.5+0BTC",
        ],
    ),
    "a market order that finds too little": (
        "bob sells 1 at 99",
        "ada buys 2 at market as much",
        "ada",
        [
            "NEW/NEW o=MARKET f=GTC p=0 q=2 w=true",
            "TRADE/PARTIALLY_FILLED l=1 z=1 w=false",
            "EXPIRED/EXPIRED l=0 L=0 n=0 N=null t=-1 z=1 w=false eR=INSUFFICIENT_LIQUIDITY",
            "balances 9901+0USDT 101+0BTC",
        ],
    ),
    "a market order by quote amount": (
        "bob sells 1 at 50",
        "ada buys at market for 25",
        "ada",
        ["NEW/NEW q=0.5 Q=25", "TRADE/FILLED l=0.5 L=50 Q=25 Z=25", "balances 9975+0USDT 100.5+0BTC"],
    ),
    "immediate or cancel": (
        "bob sells 1 at 99",
        "ada buys 2 at 99 IOC as bid",
        "ada",
        [
            "NEW/NEW f=IOC w=true",
            "TRADE/PARTIALLY_FILLED w=false",
            "EXPIRED/EXPIRED eR=UNFILLED_IOC_QUANTITY_EXPIRED",
            "balances 9901+0USDT 101+0BTC",
        ],
    ),
    "fill or kill": (
        "bob sells 1 at 99",
        "ada buys 2 at 99 FOK as bid",
        "ada",
        ["NEW/NEW f=FOK", "EXPIRED/EXPIRED z=0 eR=UNFILLED_FOK_ORDER_EXPIRED", "balances 10000+0USDT"],
    ),
    "a cancel": (
        "ada buys 2 at 100 as bid",
        "ada cancels bid",
        "ada",
        ["CANCELED/CANCELED c=cancel C=bid q=2 z=0 w=false eR=absent", "balances 10000+0USDT"],
    ),
    "a cancel of all": (
        "ada buys 2 at 100 as first, ada sells 1 at 110 as second",
        "ada cancels all",
        "ada",
        [
            "CANCELED/CANCELED c=cancel-all C=first",
            "CANCELED/CANCELED c=cancel-all C=second",
            "balances 10000+0USDT 100+0BTC",
        ],
    ),
    "a replacement": (
        "ada buys 2 at 100 as bid",
        "ada replaces bid with buys 1 at 99 as better",
        "ada",
        ["CANCELED/CANCELED c=cancel C=bid", "NEW/NEW c=better C= q=1 p=99", "balances 9901+99USDT"],
    ),
    "an amendment": (
        "ada buys 2 at 100 as bid",
        "ada amends bid to 0.5 as less",
        "ada",
        ["REPLACED/NEW c=less C=bid q=0.5 w=true I=1", "balances 9950+50USDT"],
    ),
    "an amendment that keeps the id": (
        "ada buys 2 at 100 as bid",
        "ada amends bid to 0.5",
        "ada",
        ["REPLACED/NEW c=bid C=bid q=0.5", "balances 9950+50USDT"],
    ),
    "a stop waits": (
        "bob sells 1 at 100, ada buys 1 at 100",
        "ada sells 1 at 89 on loss 90 as guard",
        "ada",
        ["NEW/NEW o=STOP_LOSS_LIMIT p=89 P=90 w=false W=absent", "balances 100+1BTC"],
    ),
    "a stop is triggered and rests": (
        "bob sells 1 at 100, ada buys 1 at 100, ada sells 1 at 95 on loss 90 as guard, bob buys 1 at 90",
        "bob sells 1 at 90",
        "ada",
        ["NEW/NEW c=guard P=90 z=0 w=true"],
    ),
    "a stop is triggered and trades": (
        "bob sells 1 at 100, ada buys 1 at 100, ada sells 1 at market on loss 90 as guard, bob buys 2 at 90",
        "bob sells 1 at 90",
        "ada",
        ["NEW/NEW c=guard o=STOP_LOSS w=true", "TRADE/FILLED c=guard l=1 L=90 m=false", "balances 100+0BTC 9990+0USDT"],
    ),
    "a trailing stop": (
        "bob sells 1 at 100, ada buys 1 at 100",
        "ada sells 1 at 80 on loss trailing 500 as guard",
        "ada",
        ["NEW/NEW d=500 D=absent P=0 w=false", "balances 100+1BTC"],
    ),
    "an iceberg": (
        "",
        "ada sells 2 at 100 showing 0.5 as ice",
        "ada",
        ["NEW/NEW F=0.5 q=2 w=true", "balances 98+2BTC"],
    ),
    "a peg": (
        "bob buys 1 at 98, bob buys 1 at 97",
        "ada buys 1 at - pegged PRIMARY+1 as follower",
        "ada",
        ["NEW/NEW p=0 gP=PRIMARY_PEG gOT=PRICE_LEVEL gOV=1 gp=97", "balances 9903+97USDT"],
    ),
    "the taker expires instead of a self-trade": (
        "ada sells 1 at 100 as own",
        "ada buys 2 at 100 stp EXPIRE_TAKER as bid",
        "ada",
        [
            "NEW/NEW c=bid V=EXPIRE_TAKER",
            "TRADE_PREVENTION/EXPIRED_IN_MATCH c=bid l=0 L=0 Y=0 t=-1 v=1 A=2 B=2 u=-1 U=1 Cs=BTCUSDT pl=1 pL=100 "
            "pY=100",
            "balances 10000+0USDT",
        ],
    ),
    "the maker expires instead of a self-trade": (
        "ada sells 1 at 100 as own",
        "ada buys 2 at 100 stp EXPIRE_MAKER as bid",
        "ada",
        [
            "NEW/NEW c=bid",
            "TRADE_PREVENTION/EXPIRED_IN_MATCH c=own m=true V=NONE v=1 A=1 B=1 U=2 pl=1",
            "balances 9800+200USDT 100+0BTC",
        ],
    ),
    "both are decremented": (
        "ada sells 1 at 100 as own",
        "ada buys 3 at 100 stp DECREMENT as bid",
        "ada",
        [
            "NEW/NEW c=bid",
            "TRADE_PREVENTION/NEW c=bid A=1 B=1 U=1 pl=1 w=true",
            "TRADE_PREVENTION/EXPIRED_IN_MATCH c=own A=1 B=1 U=2 pl=1 w=false",
            "balances 9800+200USDT 100+0BTC",
        ],
    ),
    "what was prevented is remembered": (
        "ada sells 1 at 100 as own, ada buys 3 at 100 stp DECREMENT as bid",
        "ada cancels bid",
        "ada",
        ["CANCELED/CANCELED v=1 A=1 B=absent U=absent pl=absent", "balances 10000+0USDT"],
    ),
    "an OCO begins": (
        "bob sells 1 at 100, ada buys 1 at 100",
        "ada lists OCO pair: sells 1 at 110 MAKER as up & sells 1 at market on loss 90 as down",
        "ada",
        [
            "NEW/NEW c=up o=LIMIT_MAKER g=1 w=true",
            "NEW/NEW c=down o=STOP_LOSS g=1 P=90 w=false",
            "list EXEC_STARTED/EXECUTING c=OCO C=pair g=1",
            "balances 100+1BTC",
        ],
    ),
    "an OCO ends by a fill": (
        "bob sells 1 at 100, ada buys 1 at 100, "
        "ada lists OCO pair: sells 1 at 110 MAKER as up & sells 1 at market on loss 90 as down",
        "bob buys 1 at 110",
        "ada",
        [
            "TRADE/FILLED c=up g=1 m=true",
            "EXPIRED/EXPIRED c=down g=1 eR=OCO_TRIGGER",
            "list ALL_DONE/ALL_DONE g=1 C=pair",
            "balances 100+0BTC 10010+0USDT",
        ],
    ),
    "an OCO is cancelled": (
        "bob sells 1 at 100, ada buys 1 at 100, "
        "ada lists OCO pair: sells 1 at 110 MAKER as up & sells 1 at market on loss 90 as down",
        "ada cancels list pair",
        "ada",
        [
            "CANCELED/CANCELED c=cancel C=up",
            "CANCELED/CANCELED c=cancel C=down",
            "list ALL_DONE/ALL_DONE",
            "balances 101+0BTC",
        ],
    ),
    "one of an OCO is amended": (
        "bob sells 1 at 100, ada buys 1 at 100, "
        "ada lists OCO pair: sells 1 at 110 MAKER as up & sells 1 at market on loss 90 as down",
        "ada amends up to 0.5 as higher",
        "ada",
        [
            "REPLACED/NEW c=higher C=up q=0.5 I=1",
            "REPLACED/NEW c=down C=down q=0.5 I=2",
            "list UPDATED/EXECUTING",
            "balances 100.5+0.5BTC",
        ],
    ),
    "an OTO waits": (
        "",
        "ada lists OTO pair: buys 1 at 100 as first & sells 1 at 110 as then",
        "ada",
        [
            "NEW/NEW c=first",
            "NEW/PENDING_NEW c=then w=false W=absent",
            "list EXEC_STARTED/EXECUTING c=OTO",
            "balances 9900+100USDT",
        ],
    ),
    "an OTO goes on": (
        "ada lists OTO pair: buys 1 at 100 as first & sells 1 at 110 as then",
        "bob sells 1 at 100",
        "ada",
        ["TRADE/FILLED c=first", "NEW/NEW c=then w=true", "balances 9900+0USDT 100+1BTC"],
    ),
    "a deposit": ("", "ada deposits 5 BTC as gift", "ada", ["balanceUpdate a=BTC d=5", "balances 105+0BTC"]),
    "a withdrawal": ("", "ada withdraws 5 BTC as away", "ada", ["balanceUpdate a=BTC d=-5", "balances 95+0BTC"]),
}


@pytest.mark.parametrize("row", LIVES.values(), ids=LIVES)
def test_what_is_told(row: tuple[str, str, str, list[str]]) -> None:
    before, command, actor, expected = row
    told = Told()
    assert all(outcome.refusal is None for outcome in told.scenario.play(before))
    events = told.after(command, actor)
    likes = [*expected, *[""] * len(events)]
    assert [summary(event, like) for event, like in zip(events, likes, strict=False)] == expected
    for event in events:
        if event["e"] == "executionReport":
            assert [name for name in event if name in ALWAYS] == ALWAYS
        assert event["E"] == event.get("T", event.get("u")) == told.scenario.now_us // 1000
        assert list(event)[-2:] == ["journalSequence", "journalIndex"]
    assert [(event["journalSequence"], event["journalIndex"]) for event in events] == [
        (told.sequence, index) for index in range(len(events))
    ]


def test_each_side_pays_its_own_fee_in_what_it_received() -> None:
    told = Told(WITH_FEES)
    told.scenario.play("ada buys 2 at 100 as bid")
    (trade, _), (report, _) = both(told, "bob sells 2 at 100 as ask")
    assert (trade["n"], trade["N"], trade["m"]) == ("0.00200000", "BTC", True)
    assert (report["n"], report["N"], report["m"]) == ("0.40000000", "USDT", False)
    assert trade["t"] == report["t"] == 1


def both(told: Told, text: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """What ada and bob hear of one command; of bob's, without the acceptance."""
    told.scenario.play(text)
    commands = [list(told.venue.events)]
    return told.render(commands, "ada"), told.render(commands, "bob")[1:]


def test_a_trade_with_oneself_is_told_from_both_sides_the_taker_first() -> None:
    told = Told(WITH_FEES)
    told.scenario.play("ada sells 1 at 100 as ask")
    events = told.after("ada buys 1 at 100 as bid", "ada")
    assert [summary(event, "c= m= N=") for event in events][:3] == [
        "NEW/NEW c=bid m=false N=null",
        "TRADE/FILLED c=bid m=false N=BTC",
        "TRADE/FILLED c=ask m=true N=USDT",
    ]
    executions = [event["I"] for event in events if "I" in event]
    assert len(set(executions)) == len(executions)
    assert executions == sorted(executions)
    assert executions[0] == told.sequence * EXECUTIONS_PER_ENTRY


def test_a_transfer_within_a_trade_group_is_told_to_both_accounts() -> None:
    told = Told()
    for actor in ("ada", "bob"):
        told.scenario.apply(SetAccountTerms(ACTORS[actor], trade_group_id=7))
    told.scenario.play("ada sells 1 at 100 stp TRANSFER as own")
    told.scenario.play("bob buys 1 at 100 stp TRANSFER as bid")
    commands = [list(told.venue.events)]
    like = "c= u= U= B= pl= pY= V="
    assert [summary(event, like) for event in told.render(commands, "bob")][1:] == [
        "TRADE_PREVENTION/EXPIRED_IN_MATCH c=bid u=7 U=1 B=1 pl=1 pY=100 V=TRANSFER",
        "balances 9900+0USDT 101+0BTC",
    ]
    assert [summary(event, like) for event in told.render(commands, "ada")] == [
        "TRADE_PREVENTION/EXPIRED_IN_MATCH c=own u=7 U=2 B=1 pl=1 pY=100 V=TRANSFER",
        "balances 99+0BTC 10100+0USDT",
    ]


@pytest.mark.parametrize(
    ("command", "actor", "told_then"),
    [
        (
            TransferFunds(ADA, BOB, "BTC", 5 * ONE_E8, "gift"),
            "ada",
            ["balanceUpdate a=BTC d=-5", "balances 95+0BTC"],
        ),
        (TransferFunds(ADA, BOB, "BTC", 5 * ONE_E8, "gift"), "bob", ["balanceUpdate a=BTC d=5", "balances 105+0BTC"]),
        # Set aside, it has not moved; a fee leaves with it.
        (HoldWithdrawal(ADA, "BTC", ONE_E8, ONE_E8, "next"), "ada", ["balances 96+0BTC"]),
        (SettleWithdrawal("out"), "ada", ["balanceUpdate a=BTC d=-2", "balances 98+0BTC"]),
        (RejectWithdrawal("out"), "ada", ["balances 100+0BTC"]),
        (SetAccountStatus(BOB, AccountStatus.FROZEN), "bob", []),
    ],
)
def test_money_that_moves_without_a_trade(command: Command, actor: str, told_then: list[str]) -> None:
    told = Told()
    if not isinstance(command, TransferFunds):
        told.scenario.apply(HoldWithdrawal(ADA, "BTC", ONE_E8, ONE_E8, "out"))
    assert told.scenario.apply(command).refusal is None
    heard = told.render([list(told.venue.events)], actor)
    assert [summary(event, "a= d=") for event in heard] == told_then


def test_orders_that_end_with_the_freezing_of_their_owner_are_told() -> None:
    told = Told()
    told.scenario.play("ada buys 2 at 100 as bid")
    told.scenario.apply(SetAccountStatus(ADA, AccountStatus.FROZEN))
    heard = told.render([list(told.venue.events)], "ada")
    assert [summary(event, "c= eR= w=") for event in heard] == [
        "EXPIRED/EXPIRED c=bid eR=EXCHANGE_CANCELED w=false",
        "balances 10000+0USDT",
    ]


def test_a_trailing_stop_says_since_when_it_follows() -> None:
    told = Told()
    told.scenario.play("bob sells 1 at 100, ada buys 1 at 100, ada sells 1 at 80 on loss trailing 1000 as guard")
    # It begins with the next trade, of which its owner is told nothing.
    told.scenario.play("bob sells 1 at 120")
    assert told.after("bob buys 1 at 120", "ada") == []
    began_us = told.scenario.now_us
    told.scenario.play("bob buys 1 at 100")
    (event,) = told.after("bob sells 1 at 100", "ada")
    assert summary(event, "c= w= d=") == "NEW/NEW c=guard w=true d=1000"
    assert event["D"] == began_us // 1000
    assert event["W"] == told.scenario.now_us // 1000


def test_strategies_are_repeated() -> None:
    told = Told()
    place = replace(told.scenario.read("ada buys 1 at 100 as bid"), strategy_id=3, strategy_type=1_000_001)
    told.scenario.apply(place)
    event = told.render([list(told.venue.events)], "ada")[0]
    assert (event["j"], event["J"]) == (3, 1_000_001)


def test_what_would_have_been_traded_with_an_iceberg_is_its_slice() -> None:
    told = Told()
    told.scenario.play("ada sells 2 at 100 showing 0.5 as ice")
    events = told.after("ada buys 1 at 100 stp EXPIRE_TAKER as bid", "ada")
    assert summary(events[1], "B= pl= pY=") == "TRADE_PREVENTION/EXPIRED_IN_MATCH B=1 pl=0.5 pY=50"


def test_an_entry_of_several_commands_numbers_its_events_on() -> None:
    told = Told()
    commands = []
    for text in ("ada buys 1 at 100 as bid", "bob sells 1 at 100", "ada cancels ada9", "ada deposits 1 BTC as more"):
        told.scenario.play(text)
        commands.append(list(told.venue.events))
    events = told.render(commands, "ada")
    transfer = ["balanceUpdate", "balances 102+0BTC"]
    kinds = [summary(event) for event in events]
    assert kinds == ["NEW/NEW", "balances 9900+100USDT", "TRADE/FILLED", "balances 9900+0USDT 101+0BTC", *transfer]
    assert [event["journalIndex"] for event in events] == list(range(6))
    assert {event["journalSequence"] for event in events} == {told.sequence}


def test_microseconds() -> None:
    told = Told()
    report, position = told.after("ada buys 1 at 100 as bid", "ada", unit=1)
    assert {report[name] for name in ("E", "T", "O", "W")} == {told.scenario.now_us}
    assert (position["E"], position["u"]) == (told.scenario.now_us, told.scenario.now_us)


def test_the_legs_of_a_list_are_named_in_its_status() -> None:
    told = Told()
    told.scenario.play("bob sells 1 at 100, ada buys 1 at 100")
    events = told.after("ada lists OCO pair: sells 1 at 110 MAKER as up & sells 1 at market on loss 90 as down", "ada")
    up, down, status, _ = events
    assert status["O"] == [
        {"s": "BTCUSDT", "i": up["i"], "c": "up"},
        {"s": "BTCUSDT", "i": down["i"], "c": "down"},
    ]
    assert (status["s"], status["r"], status["g"]) == ("BTCUSDT", "NONE", up["g"])


def test_what_does_not_concern_an_account_is_not_told() -> None:
    told = Told()
    told.scenario.play("ada buys 1 at 100, bob sells 1 at 100")
    assert told.render([list(told.venue.events)], "cleo") == []
    told.scenario.define(tick_size_e8=ONE_E8 // 1000)
    assert told.render([list(told.venue.events)], "ada") == []
    told.scenario.apply(Withdraw(ACTORS["bob"], "BTC", ONE_E8, "out"))
    assert told.render([list(told.venue.events)], "ada") == []


@pytest.mark.parametrize(
    ("text", "cursor"),
    [("12", Cursor(12, LAST)), ("12-0", Cursor(12, 0)), ("0", Cursor(0, LAST)), ("12-7", Cursor(12, 7))],
)
def test_cursors(text: str, cursor: Cursor) -> None:
    assert parse_cursor(text) == cursor


@pytest.mark.parametrize(
    "text", ["", "-", "x", "1-", "-1", "1-2-3", "1.5", " 1", "1\n", "9" * 19, "1-" + "9" * 10, "\u0661"]
)
def test_what_is_no_cursor(text: str) -> None:
    with pytest.raises(NotACursor):
        parse_cursor(text)


def test_cursors_compare_in_the_order_of_events() -> None:
    ordered = [Cursor(1, 0), Cursor(1, 1), parse_cursor("1"), Cursor(2, 0)]
    assert ordered == sorted(ordered)
