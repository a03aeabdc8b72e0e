"""Traces as a collector receives them, by OTLP over HTTP, from running services."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from tests.api.trader import API_KEY_HEADER, Trader, encode, sign
from tests.monitoring.auth_process import auth_process
from tests.monitoring.receiver import Receiver
from tests.running import RunningSystem, wait_until

HEADERS = "x-collector-key=only-for-the-collector"
# Whatever else a span said could be about somebody.
KNOWN = {
    *("http.request.method", "http.route", "http.response.status_code", "error.type"),
    *("network.protocol.name", "rpc.method", "db.system.name", "db.query.summary"),
    *("crossbook.request_id", "crossbook.requests", "crossbook.parcels", "crossbook.sequence"),
}
KNOWN_OF_A_PROCESS = {
    *("service.namespace", "service.name", "service.version", "service.instance.id", "deployment.environment.name"),
    *("telemetry.sdk.name", "telemetry.sdk.language", "telemetry.sdk.version"),
}
CLIENTS_TRACE = "0af7651916cd43dd8448eb211c80319c"
TRACEPARENT = f"00-{CLIENTS_TRACE}-b7ad6b7169203331-01"


class Found(NamedTuple):
    service: str
    span: Span

    @property
    def trace(self) -> str:
        return self.span.trace_id.hex()

    def says(self, name: str) -> str | int | None:
        for attribute in self.span.attributes:
            if attribute.key == name:
                value = attribute.value
                text: str = value.string_value
                number: int = value.int_value
                return text if value.HasField("string_value") else number
        return None


class Collector:
    def __init__(self, receiver: Receiver) -> None:
        self.receiver = receiver
        self.environment = {
            "CROSSBOOK_TRACES_URL": f"http://127.0.0.1:{receiver.port}",
            "CROSSBOOK_TRACES_RATIO": "1",
            "OTEL_EXPORTER_OTLP_HEADERS": HEADERS,
        }

    def spans(self) -> Iterator[Found]:
        """All that came, each checked to say nothing that is not known to be harmless."""
        for received in list(self.receiver.received):
            assert (received.path, received.headers["x-collector-key"]) == ("/v1/traces", "only-for-the-collector")
            for resource in ExportTraceServiceRequest.FromString(received.body).resource_spans:
                facts = {attribute.key: attribute.value.string_value for attribute in resource.resource.attributes}
                assert facts.keys() <= KNOWN_OF_A_PROCESS
                for scope in resource.scope_spans:
                    for span in scope.spans:
                        assert {attribute.key for attribute in span.attributes} <= KNOWN
                        assert not span.events
                        yield Found(facts["service.name"], span)

    def wait_for(self, name: str, chosen: Callable[[Found], object] = lambda _: True) -> Found:
        found: list[Found] = []

        def arrived() -> bool:
            found[:] = [each for each in self.spans() if each.span.name == name and chosen(each)]
            return bool(found)

        wait_until(arrived, 60)
        return found[0]

    @property
    def bytes_received(self) -> bytes:
        return b"".join(received.body for received in self.receiver.received)


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Receiver() as receiver:
        yield Collector(receiver)


def test_an_order_is_followed_from_the_client_to_the_database(
    start_system: Callable[..., RunningSystem], collector: Collector
) -> None:
    system = start_system(environment=collector.environment)
    with httpx.Client(base_url=system.base_url, timeout=60, trust_env=False) as http:
        trader = Trader(http, system.create_account({"USDT": "1000"}))
        order = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC"}
        query = trader.signed(encode({**order, "quantity": "0.001", "price": "30000"}))
        headers = {"X-Request-Id": "order-7", "traceparent": TRACEPARENT, "X-Forwarded-For": "203.0.113.9"}
        assert trader.send_raw("POST", "order", query, headers=headers).status_code == httpx.codes.OK
        email = {"email": "ada.lovelace@example.com", "password": "correct horse battery staple"}
        answer = httpx.post(
            f"{system.auth_url}/auth/v1/register", json=email, headers={"X-Request-Id": "ada-7"}, trust_env=False
        )
        assert answer.is_success
    asked = collector.wait_for("POST /api/v3/order", lambda each: each.says("crossbook.request_id") == "order-7")
    assert (asked.service, asked.says("http.response.status_code")) == ("trading", 200)
    # A client does not decide what is sampled.
    assert asked.trace != CLIENTS_TRACE
    assert not asked.span.parent_span_id

    def follow(name: str, above: Found) -> Found:
        found = collector.wait_for(name, lambda each: each.span.parent_span_id == above.span.span_id)
        assert found.trace == asked.trace
        return found

    parcel = follow("parcel", asked)
    arrived = follow("POST /internal/commands", parcel)
    turn = follow("turn", arrived)
    settled = follow("settle", turn)
    follow("apply", turn)
    assert {arrived.service, turn.service, settled.service} == {"engine"}
    assert isinstance(sequence := turn.says("crossbook.sequence"), int)
    assert sequence > 0
    key = follow("GET /internal/api-keys/{api_key}", asked)
    assert key.service == "auth"
    _check_the_log(system, collector)
    asyncio.run(_send_at_once(system, trader, 20))
    # What travels together belongs to the trace of the first; the others and it know of each other.
    parcel = collector.wait_for("parcel", lambda each: each.span.links)
    assert isinstance(together := parcel.says("crossbook.requests"), int)
    assert len(parcel.span.links) == together - 1
    linked = {link.span_id for link in parcel.span.links}

    def linked_back() -> set[bytes]:
        return {each.span.span_id for each in collector.spans() if parcel.span.span_id in _linked(each)}

    wait_until(lambda: linked_back() == linked, 60)
    signature = sign(trader.secret_key, query.partition("&signature=")[0])
    never = (trader.api_key, trader.secret_key, signature, system.internal_token, "ada.lovelace", "203.0.113.9")
    assert not [
        word for word in (*never, "127.0.0.1", os.uname().nodename) if word.encode() in collector.bytes_received
    ]


def _linked(found: Found) -> set[bytes]:
    return {link.span_id for link in found.span.links}


def _check_the_log(system: RunningSystem, collector: Collector) -> None:
    registered = collector.wait_for("POST /auth/v1/register")
    lines = map(json.loads, (system.directory.logs / "auth.log").read_text().splitlines())
    traces = {line["trace_id"] for line in lines if line.get("request_id") == "ada-7"}
    assert traces == {registered.trace}


async def _send_at_once(system: RunningSystem, trader: Trader, orders: int) -> None:
    async with httpx.AsyncClient(base_url=system.base_url, timeout=60, trust_env=False) as http:
        order = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC"}
        query = trader.signed(encode({**order, "quantity": "0.001", "price": "20000"}))
        headers = {API_KEY_HEADER: trader.api_key}
        answers = await asyncio.gather(*(http.post(f"/api/v3/order?{query}", headers=headers) for _ in range(orders)))
        assert {answer.status_code for answer in answers} == {httpx.codes.OK}


def test_services_decide_what_is_sampled_and_a_process_that_ends_sends_what_it_has(
    environment: dict[str, str], collector: Collector, tmp_path: Path
) -> None:
    told = {**environment, **collector.environment, "CROSSBOOK_TRACES_RATIO": "0"}
    by_service = {"Authorization": f"Bearer {environment['CROSSBOOK_INTERNAL_TOKEN']}", "traceparent": TRACEPARENT}
    path = "/internal/accounts/7"
    with auth_process(told, tmp_path / "auth.log") as client:
        for headers in ({}, {"traceparent": TRACEPARENT}, {**by_service, "Authorization": "Bearer " + "f" * 32}):
            client.get(path, headers=headers)
        client.get(path, headers={**by_service, "traceparent": TRACEPARENT[:-1] + "0"})
        assert client.get(path, headers=by_service).status_code == httpx.codes.NOT_FOUND
        assert client.get("/health/ready", headers=by_service).status_code == httpx.codes.OK
    (found,) = collector.spans()
    assert (found.trace, found.span.name) == (CLIENTS_TRACE, "GET /internal/accounts/{accountId}")
    assert found.says("http.response.status_code") == httpx.codes.NOT_FOUND
    # A refusal is an answer, not a fault.
    assert found.span.status.code == Status.STATUS_CODE_UNSET


# What of the SDK Redis' client brings in by itself, wherever there is one, is for metrics that nobody switches on.
_IMPORTS = """
import sys, threading
from services.auth import app
from services.backoffice import app
from services.engine import app
from services.notifier import app
from services.trading import app
from services.infra import telemetry, traces
sdk = ("opentelemetry.sdk.trace", "opentelemetry.exporter", "opentelemetry.proto", "google.protobuf")
print(traces.is_on, [name for name in sys.modules if name.startswith(sdk)], threading.active_count())
"""


def test_nobody_imports_what_makes_and_sends_traces_who_was_not_asked_for_them() -> None:
    program = (sys.executable, "-P", "-c", _IMPORTS)
    printed = subprocess.run(program, capture_output=True, text=True, check=True, timeout=60).stdout
    assert printed == "False [] 1\n"
