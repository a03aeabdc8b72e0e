"""Where a webhook may lead: to the internet, whatever its URL or its name's address tries."""

import socket
from ipaddress import ip_address
from typing import Any

import pytest

from services.notifier.channels.addresses import BadUrl, Target, is_public, parse_target, resolve
from services.notifier.channels.outcome import Failed, Refused
from services.notifier.channels.webhook import WebhookSender

PUBLIC = ["93.184.215.14", "2606:4700:4700::1111"]
NOT_PUBLIC = [
    *("127.0.0.1", "0.0.0.0", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1"),
    *("224.0.0.1", "255.255.255.255", "192.0.2.1", "198.18.0.1", "240.0.0.1"),
    *("::1", "::", "fe80::1", "fc00::1", "ff02::1", "fec0::1", "2001:db8::1"),
    *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "2002:7f00:1::", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe"),
]


@pytest.mark.parametrize("address", PUBLIC)
def test_public(address: str) -> None:
    assert is_public(ip_address(address))


@pytest.mark.parametrize("address", NOT_PUBLIC)
async def test_not_public(address: str) -> None:
    assert not is_public(ip_address(address))
    literal = f"[{address}]" if ":" in address else address
    with pytest.raises(BadUrl, match="public address"):
        parse_target(f"https://{literal}/hook", may_be_local=False)
    with pytest.raises(Refused):
        await resolve(Target("https", address, 443, "/"), may_be_local=False)


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/",
        "ftp://example.com/",
        "file:///etc/passwd",
        "gopher://example.com",
        "//example.com/",
        "https://",
        "https:///path",
        "https://user:secret@example.com/",
        "https://example.com/#fragment",
        "https://example.com:22/",
        "https://example.com:99999/",
        "https://exa mple.com/",
        "https://example.com\\@127.0.0.1/",
        "https://example.com/\r\nX: y",
        "https://m\u00fcller.example/",
        "https://[::1",
        "https://example.com/" + "a" * 3000,
    ],
)
def test_what_is_no_url_of_the_internet(url: str) -> None:
    with pytest.raises(BadUrl):
        parse_target(url, may_be_local=False)


@pytest.mark.parametrize("name", ["localhost", "127.1", "0x7f.1", "2130706433"])
async def test_names_of_this_machine_in_disguise(name: str) -> None:
    with pytest.raises((Refused, Failed)):
        await resolve(parse_target(f"https://{name}/", may_be_local=False), may_be_local=False)


async def test_one_private_address_among_several_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """The name service is not ours: this is what a hostile one may answer."""

    async def hostile(*_: Any, **__: Any) -> list[Any]:
        return [(socket.AF_INET, 0, 0, "", (address, 443)) for address in ("93.184.215.14", "10.0.0.1")]

    import asyncio

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", hostile)
    with pytest.raises(Refused, match="not public"):
        await resolve(parse_target("https://rebinding.example/", may_be_local=False), may_be_local=False)


async def test_a_sender_refuses_what_became_private() -> None:
    sender = WebhookSender(may_be_local=False, timeout_s=1, width=1)
    with pytest.raises(Refused):
        await sender.send("https://localhost:8443/", "secret", {})
    await sender.close()
