"""Where a webhook may lead. A user chooses the URL, and this service stands inside the network: nothing may be reached
through it that the internet could not reach by itself.

The name is resolved here, every address it has must be public, and the connection goes to an address that was checked,
so that a name which answers differently a moment later changes nothing.
"""

import asyncio
import ipaddress
import socket
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from services.notifier.channels.outcome import Failed, Refused

URL_CHARS_MAX: Final = 2048
_USUAL_PORTS: Final = {"https": 443, "http": 80}
_FIRST_UNPRIVILEGED_PORT: Final = 1024


class BadUrl(ValueError):
    """The text says what is wrong, without the URL."""


class Target(NamedTuple):
    """A URL that may be called, as far as can be told without resolving its name."""

    scheme: str
    host: str
    port: int
    # Path and query, as sent.
    resource: str

    @property
    def host_header(self) -> str:
        name = f"[{self.host}]" if ":" in self.host else self.host
        return name if self.port == _USUAL_PORTS[self.scheme] else f"{name}:{self.port}"


def parse_target(url: str, *, may_be_local: bool) -> Target:
    """Raise BadUrl unless the URL is one of the internet's."""
    if not url.isascii() or not url.isprintable() or " " in url or "\\" in url or len(url) > URL_CHARS_MAX:
        raise BadUrl(f"must be a URL of at most {URL_CHARS_MAX} visible ASCII characters")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise BadUrl("must be a URL") from None
    schemes = ("https", "http") if may_be_local else ("https",)
    if parts.scheme not in schemes or not host:
        raise BadUrl("must begin with https:// and name a host")
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise BadUrl("must not hold credentials or a fragment")
    port = _USUAL_PORTS[parts.scheme] if port is None else port
    if not may_be_local and port < _FIRST_UNPRIVILEGED_PORT and port not in _USUAL_PORTS.values():
        raise BadUrl("must use port 443, or one from 1024 on")
    literal = _literal(host)
    if literal is not None and not may_be_local and not is_public(literal):
        raise BadUrl("must lead to a public address")
    resource = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(parts.scheme, host, port, resource)


async def resolve(target: Target, *, may_be_local: bool) -> str:
    """The address to connect to; raise Refused if any that the name has is not public, Failed if it has none now."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
    except OSError:
        raise Failed("the webhook's host name cannot be resolved") from None
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    if not may_be_local and not all(is_public(ipaddress.ip_address(address)) for address in addresses):
        raise Refused("the webhook's host name leads to an address that is not public")
    if not addresses:
        raise Failed("the webhook's host name has no address")
    return addresses[0]


def is_public(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    if isinstance(address, ipaddress.IPv6Address):
        # What carries another address inside is judged by that.
        inner = address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)
        if inner is not None:
            return is_public(inner)
        if address in _NAT64:
            return is_public(ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF))
        if address.is_site_local:
            return False
    return address.is_global and not address.is_multicast and not address.is_reserved


_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")


def _literal(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None
