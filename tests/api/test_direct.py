"""Direct routes answer as the application around them would: ids, bounds, methods, and bodies that come in pieces."""

from collections.abc import AsyncIterator

import httpx
import pytest
from prometheus_client import REGISTRY
from starlette.types import Message, Scope

from services.infra.direct import DirectApp, Incoming, Outgoing
from services.infra.measured import counted

LIMIT_BYTES = 10
TOO_LARGE = Outgoing(b"too large", 413)


async def echo(incoming: Incoming) -> Outgoing:
    content = incoming.scope["method"].encode() + b" " + await incoming.body()
    return Outgoing(content, 201, {"X-Seen": incoming.header(b"x-name") or "", "X-Id": incoming.request_id})


async def too_large(_scope: Scope) -> Outgoing:
    return TOO_LARGE


@pytest.fixture
def app() -> DirectApp:
    app = DirectApp(limit_bytes=LIMIT_BYTES, too_large=too_large)
    app.add_direct_route("POST", "/echo", echo)
    app.add_direct_route("GET", "/echo", counted("GET /echo", echo), summary="Echo", tags=["echo"])

    @app.get("/other")
    async def other() -> dict[str, str]:
        return {"is": "other"}

    return app


@pytest.fixture
async def http(app: DirectApp) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://here") as client:
        yield client


async def in_pieces(*pieces: bytes) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


async def test_the_handler_has_the_whole_request_and_its_answer_arrives(http: httpx.AsyncClient) -> None:
    answer = await http.post("/echo", content=in_pieces(b"ab", b"", b"cd"), headers=[("X-Name", "1"), ("x-name", "2")])
    assert (answer.status_code, answer.content) == (201, b"POST abcd")
    assert (answer.headers["content-type"], answer.headers["content-length"]) == ("application/json", "9")
    # The first counts.
    assert answer.headers["x-seen"] == "1"
    assert (await http.get("/echo")).content == b"GET "
    assert (await http.head("/echo")).status_code == 201


async def test_others_are_the_frameworks(http: httpx.AsyncClient) -> None:
    assert (await http.get("/other")).json() == {"is": "other"}
    assert (await http.get("/echo/more")).status_code == 404
    assert (await http.put("/echo")).status_code == 405


@pytest.mark.parametrize("given", ["a.B_c-9", "x" * 64])
async def test_a_callers_own_request_id_is_taken_over(http: httpx.AsyncClient, given: str) -> None:
    answer = await http.get("/echo", headers={"X-Request-Id": given})
    assert answer.headers["x-request-id"] == answer.headers["x-id"] == given


@pytest.mark.parametrize("given", ["", "x" * 65, "a b", "é"])
async def test_another_is_replaced(http: httpx.AsyncClient, given: str) -> None:
    answers = [await http.get("/echo", headers=[(b"X-Request-Id", given.encode("latin-1"))]) for _ in range(2)]
    ids = {answer.headers["x-request-id"] for answer in answers}
    assert len(ids) == 2 and all(len(one) == 32 and one.isalnum() for one in ids)


@pytest.mark.parametrize("pieces", [(b"x" * 11,), (b"x" * 6, b"x" * 5), (b"x" * 10, b"", b"x")])
async def test_a_body_past_the_limit_is_refused(http: httpx.AsyncClient, pieces: tuple[bytes, ...]) -> None:
    for content in (b"".join(pieces), in_pieces(*pieces)):
        answer = await http.post("/echo", content=content)
        assert (answer.status_code, answer.content) == (413, b"too large")
        assert answer.headers["x-request-id"]
    assert (await http.post("/echo", content=in_pieces(b"x" * 5, b"x" * 5))).status_code == 201


async def test_a_declared_length_is_enough_to_refuse(http: httpx.AsyncClient) -> None:
    answer = await http.get("/echo", headers={"Content-Length": "11"})
    assert answer.status_code == 413


async def test_a_documented_route_is_in_openapi_and_others_are_not(app: DirectApp) -> None:
    document = app.openapi()
    assert set(document["paths"]) == {"/echo", "/other"}
    assert set(document["paths"]["/echo"]) == {"get"}
    assert document["paths"]["/echo"]["get"]["operationId"] == "echo_echo_get"


async def test_a_direct_route_can_be_counted(http: httpx.AsyncClient) -> None:
    def count(status: str) -> float:
        labels = {"route": "GET /echo", "status": status}
        return REGISTRY.get_sample_value("crossbook_http_replies_total", labels) or 0.0

    before = count("201"), count("413")
    await http.get("/echo")
    await http.request("GET", "/echo", content=in_pieces(b"x" * 11))
    assert (count("201"), count("413")) == (before[0] + 1, before[1] + 1)


async def test_nobody_answers_a_client_that_left(app: DirectApp) -> None:
    sent: list[Message] = []
    arriving: list[Message] = [{"type": "http.request", "body": b"ab", "more_body": True}, {"type": "http.disconnect"}]

    async def receive() -> Message:
        return arriving.pop(0)

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/echo", "query_string": b"", "headers": []}
    await app(scope, receive, send)
    assert not sent and not arriving
