"""Where a request comes from: the peer, or what a trusted proxy says of it.

``X-Forwarded-For`` is hearsay unless our own proxies wrote it. So it is read from its end, each entry believed only as
long as the one who wrote it is trusted; the first address that is not a trusted proxy's is the client's.
"""

from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final

from starlette.types import Scope

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_FORWARDED_FOR: Final = b"x-forwarded-for"
# Whoever comes over a unix socket has no address.
NOWHERE: Final = IPv4Address(0)


def client_address(scope: Scope, trusted_proxies: tuple[Network, ...]) -> Address:
    """Return the address of the client that sent the request."""
    client = scope.get("client")
    address = parse(client[0]) if client is not None else None
    if address is None:
        return NOWHERE
    if not trusted_proxies or not within(address, trusted_proxies):
        return address
    for text in reversed(_forwarded_for(scope)):
        named = parse(text.strip())
        if named is None:
            break
        address = named
        if not within(address, trusted_proxies):
            break
    return address


def is_forwarded_securely(scope: Scope, trusted_proxies: tuple[Network, ...]) -> bool:
    """Whether a trusted proxy says that the client came to it over TLS."""
    client = scope.get("client")
    address = parse(client[0]) if client is not None else None
    if address is None or not within(address, trusted_proxies):
        return False
    return any(name == b"x-forwarded-proto" and value == b"https" for name, value in scope["headers"])


def within(address: Address, networks: tuple[Network, ...]) -> bool:
    return any(address in network for network in networks)


@lru_cache(maxsize=4096)
def parse(text: str) -> Address | None:
    """An IPv4 address stays the same one when it arrives over an IPv6 socket."""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def _forwarded_for(scope: Scope) -> list[str]:
    lines = [value.decode("latin-1") for name, value in scope["headers"] if name == _FORWARDED_FOR]
    return ",".join(lines).split(",")
