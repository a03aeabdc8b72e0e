"""User data ends with what it was opened by: an API key, a logged-on session, or a web session."""

import asyncio
from pathlib import Path

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from redis import Redis

from services.domain.notices import NOTICES_CHANNEL, NoticeCopy, notice_encoder
from services.local.internal import InternalClient
from tests.api.member import Member
from tests.api.test_key_types import public_pem
from tests.api.trader import Trader
from tests.running import RunningSystem, free_port
from tests.streams.api_socket import ApiSocket, Json, ed25519_signer, error_of, open_socket, succeeded
from tests.streams.follower import Follower, follow, following, resume_of, signer
from tests.streams.trading_process import trading_process

BEARER = "userDataStream.subscribe.bearer"
SESSION = "userDataStream.subscribe"
NOTICE = "crossbookNotice"
DEPOSITED = {"asset": "BTC", "amount": "1.00000000"}
UNAUTHORIZED = (401, -1002, "You are not authorized to execute this request.")


@pytest.fixture
def member(http: httpx.Client) -> Member:
    return Member(http)


class Browser(Follower):
    """Notices come to people whenever the notifier has stored them, so they are kept apart."""

    async def next(self) -> Json:
        while (event := await super().next())["e"] == NOTICE:
            pass
        return event


async def bearer(socket: ApiSocket, member: Member, **parameters: object) -> Browser:
    reply = await socket.ask(BEARER, {"accessToken": member.access_token, **parameters})
    return Browser(socket, succeeded(reply))


async def deposit(system: RunningSystem, account_id: int) -> None:
    await asyncio.to_thread(system.deposit, account_id, "BTC", "1")


async def ends(follower: Follower) -> None:
    event = await follower.next()
    assert (event["e"], set(event)) == ("eventStreamTerminated", {"e", "E"})
    assert await follower.socket.call("session.subscriptions") == []


async def hears(follower: Follower) -> Json:
    update, position = await follower.take(2)
    assert (update["e"], position["e"]) == ("balanceUpdate", "outboundAccountPosition")
    return position


async def test_a_browser_follows_its_account_and_goes_on_after_a_break(member: Member, system: RunningSystem) -> None:
    async with open_socket(system.base_url) as socket:
        follower = await bearer(socket, member)
        await deposit(system, member.account_id)
        last = await hears(follower)
    await deposit(system, member.account_id)
    async with open_socket(system.base_url) as socket:
        await hears(await bearer(socket, member, resume=resume_of(last)))


async def test_notices_are_for_people_and_not_for_their_bots(member: Member, system: RunningSystem) -> None:
    title, wrong = f"for {member.account_id}", b"no notice"
    notice = NoticeCopy("id-1", member.account_id, "DEPOSIT", 1_767_225_600_000_000, title, {"asset": "BTC"})
    trader = member.new_trader()
    async with open_socket(system.base_url) as socket, following(system.base_url, trader) as bot:
        browser = Follower(socket, succeeded(await socket.ask(BEARER, {"accessToken": member.access_token})))
        with Redis.from_url(system.redis_url) as redis:
            for message in (wrong, notice_encoder.encode(notice)):
                assert redis.publish(NOTICES_CHANNEL, message) == 1
        told = (await browser.until(lambda event: event.get("t") == title))[-1]
        expected = {"e": NOTICE, "E": 1_767_225_600_000, "n": "id-1", "k": "DEPOSIT", "t": title, "d": {"asset": "BTC"}}
        assert told == expected
        await deposit(system, member.account_id)
        await hears(bot)
        await browser.until(lambda event: event["e"] == NOTICE and event["d"] == DEPOSITED)
        assert bot.socket.pushed.empty()


async def test_signing_out_ends_it(member: Member, system: RunningSystem) -> None:
    async with open_socket(system.base_url) as socket:
        follower = await bearer(socket, member)
        await deposit(system, member.account_id)
        await hears(follower)
        await asyncio.to_thread(member.sign_out)
        await ends(follower)
        await deposit(system, member.account_id)
        assert error_of(await socket.ask(BEARER, {"accessToken": member.access_token})) == UNAUTHORIZED
        assert socket.pushed.empty()


@pytest.mark.parametrize("token", ["", "x", "a.b.c"])
async def test_what_is_no_token(token: str, system: RunningSystem) -> None:
    async with open_socket(system.base_url) as socket:
        status, code, _ = error_of(await socket.ask(BEARER, {"accessToken": token}))
        assert (status, code) in {(401, -1002), (400, -1105)}
        assert await socket.call("session.subscriptions") == []


async def test_a_key_that_is_revoked_ends_its_own_stream_only(member: Member, system: RunningSystem) -> None:
    kept, revoked = member.new_trader(), member.new_trader()
    async with following(system.base_url, kept) as staying, following(system.base_url, revoked) as leaving:
        await deposit(system, member.account_id)
        await hears(staying)
        await hears(leaving)
        await asyncio.to_thread(member.revoke, revoked)
        await ends(leaving)
        await deposit(system, member.account_id)
        await hears(staying)
        assert leaving.socket.pushed.empty()


async def test_a_key_that_may_no_longer_come_from_here_ends_its_stream(member: Member, system: RunningSystem) -> None:
    trader = member.new_trader()
    async with following(system.base_url, trader) as follower:
        for address in ("127.0.0.1", "203.0.113.7"):
            await deposit(system, member.account_id)
            await hears(follower)
            await asyncio.to_thread(restrict, member, trader, address)
        await ends(follower)


def restrict(member: Member, trader: Trader, address: str) -> None:
    headers = {"Authorization": f"Bearer {member.access_token}"}
    body = {"ipAllowList": [address]}
    assert member.http.patch(f"/auth/v1/api-keys/{trader.api_key}", json=body, headers=headers).is_success


async def test_what_auth_cannot_announce_is_found_out_all_the_same(
    member: Member, system: RunningSystem, tmp_path: Path
) -> None:
    """Without Redis nobody hears of a change; everything is asked for again from time to time."""
    nowhere = {"CROSSBOOK_REDIS_URL": f"redis://127.0.0.1:{free_port()}/0", "CROSSBOOK_PRINCIPAL_TTL_S": "0.5"}
    revoked, kept = member.new_trader(), member.new_trader()
    with trading_process(system, tmp_path / "out", nowhere) as base_url:
        async with (
            following(base_url, revoked) as by_key,
            open_socket(base_url) as browser,
            following(base_url, kept) as staying,
        ):
            by_session = await bearer(browser, member)
            await asyncio.to_thread(member.revoke, revoked)
            await ends(by_key)
            await asyncio.to_thread(member.sign_out)
            await ends(by_session)
            await deposit(system, member.account_id)
            await hears(staying)


async def test_logging_out_ends_what_came_with_the_session(member: Member, system: RunningSystem) -> None:
    key = Ed25519PrivateKey.generate()
    with InternalClient(system.directory, system.state) as client:
        account = client.create_account(public_key=public_pem(key))
    sign = ed25519_signer(account.api_key, key)
    other: Trader = member.new_trader()
    async with open_socket(system.base_url) as socket:
        assert error_of(await socket.ask(SESSION)) == UNAUTHORIZED
        await socket.call("session.logon", **sign())
        of_session = Follower(socket, await socket.call(SESSION))
        signed_for = await follow(socket, other)
        assert (await socket.call("session.status"))["userDataStream"] is True
        await deposit(system, account.user_id)
        await hears(of_session)
        await deposit(system, member.account_id)
        await hears(signed_for)
        await socket.call("session.logout")
        event = await of_session.next()
        assert event["e"] == "eventStreamTerminated"
        assert await socket.call("session.subscriptions") == [{"subscriptionId": 1}]
        await deposit(system, account.user_id)
        await deposit(system, member.account_id)
        await hears(signed_for)
        assert error_of(await socket.ask(SESSION)) == UNAUTHORIZED


async def test_a_key_that_may_not_read_follows_nothing(member: Member, system: RunningSystem) -> None:
    trader = member.new_trader(["trade"])
    async with open_socket(system.base_url) as socket:
        reply = await socket.ask("userDataStream.subscribe.signature", signer(trader)())
        assert error_of(reply)[:2] == (401, -2015)
