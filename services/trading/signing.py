"""Signatures and timing of signed requests (compatibility reference section 2).

The signed payload is the raw query followed by the raw body, without the ``signature`` pair, in received order. Nothing
is re-encoded: clients disagree about encoding, and only what they sent is what they signed.

A key is HMAC-SHA256 (hexadecimal, either case), Ed25519, or RSA with PKCS #1 v1.5 and SHA-256 (both base64, which has
one spelling only: another would be a second signature for the same request).
"""

import base64
import binascii
import hmac
import re
from typing import Final, Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from services.domain.money import MAX_E8
from services.trading import errors

DEFAULT_RECV_WINDOW_US: Final = 5_000_000
MAX_RECV_WINDOW_US: Final = 60_000_000
_AHEAD_LIMIT_US: Final = 1_000_000
_MICROSECONDS_FROM: Final = 100_000_000_000_000

_recv_window = re.compile(r"([0-9]{1,20})(?:\.([0-9]{1,3}))?", re.ASCII)
_timestamp = re.compile(r"[0-9]{1,19}", re.ASCII)


def signed_payload(query: bytes, body: bytes) -> bytes:
    """What the client must have signed."""
    return _without_signature(query) + _without_signature(body)


def _without_signature(raw: bytes) -> bytes:
    if b"signature=" not in raw:
        return raw
    before, _, after = raw.rpartition(b"&signature=")
    if before and b"&" not in after and b"signature=" not in before:
        # It is the last pair, where nearly everybody puts it.
        return before
    return b"&".join(pair for pair in raw.split(b"&") if not pair.startswith(b"signature="))


class SigningKey(Protocol):
    """What checks one key's signatures."""

    def verifies(self, payload: bytes, signature: str) -> bool: ...


class HmacKey:
    """The secret never appears in a repr, a log or an error."""

    __slots__ = ("_keyed",)

    def __init__(self, secret: str) -> None:
        # To copy what has taken the secret in already takes two thirds of the time of beginning with it.
        self._keyed = hmac.new(secret.encode(), digestmod="sha256")

    def verifies(self, payload: bytes, signature: str) -> bool:
        """Hexadecimal, either case, compared in constant time."""
        expected = self._keyed.copy()
        expected.update(payload)
        return hmac.compare_digest(expected.hexdigest().encode(), signature.lower().encode())


class Ed25519Key:
    __slots__ = ("_key",)

    def __init__(self, key: Ed25519PublicKey) -> None:
        self._key = key

    def verifies(self, payload: bytes, signature: str) -> bool:
        try:
            self._key.verify(_from_base64(signature), payload)
        except InvalidSignature:
            return False
        return True


class RsaKey:
    __slots__ = ("_key",)

    def __init__(self, key: RSAPublicKey) -> None:
        self._key = key

    def verifies(self, payload: bytes, signature: str) -> bool:
        try:
            self._key.verify(_from_base64(signature), payload, _PADDING, _DIGEST)
        except InvalidSignature:
            return False
        return True


_PADDING: Final = PKCS1v15()
_DIGEST: Final = SHA256()


def public_signing_key(pem: str) -> SigningKey:
    """Parse a public key once, for every signature that follows."""
    key = load_pem_public_key(pem.encode())
    if isinstance(key, Ed25519PublicKey):
        return Ed25519Key(key)
    if isinstance(key, RSAPublicKey):
        return RsaKey(key)
    raise ValueError(f"no request is signed with a {type(key).__name__}")


def _from_base64(signature: str) -> bytes:
    try:
        decoded = base64.b64decode(signature, validate=True)
    except (binascii.Error, ValueError):
        raise InvalidSignature from None
    if base64.b64encode(decoded).decode() != signature:
        raise InvalidSignature
    return decoded


class Window:
    """When a signed request is valid: ``timestamp`` at most one second ahead and at most ``recvWindow`` old."""

    __slots__ = ("recv_window_us", "timestamp_us")

    def __init__(self, timestamp: str | None, recv_window: str | None) -> None:
        """Raise -1102 for a timestamp that is absent or no number, -1131 for a window over a minute."""
        if timestamp is None or _timestamp.fullmatch(timestamp) is None or int(timestamp) > MAX_E8:
            raise errors.mandatory("timestamp")
        given = int(timestamp)
        self.timestamp_us = given if given >= _MICROSECONDS_FROM else given * 1000
        self.recv_window_us = DEFAULT_RECV_WINDOW_US if recv_window is None else _parse_recv_window(recv_window)

    @property
    def ends_us(self) -> int:
        return self.timestamp_us + self.recv_window_us

    def check(self, now_us: int) -> None:
        if self.timestamp_us >= now_us + _AHEAD_LIMIT_US:
            raise errors.TIMESTAMP_AHEAD
        if now_us - self.timestamp_us > self.recv_window_us:
            raise errors.TIMESTAMP_TOO_OLD


def _parse_recv_window(text: str) -> int:
    """Milliseconds with up to three decimals."""
    if not text:
        raise errors.empty("recvWindow")
    match = _recv_window.fullmatch(text)
    if match is None:
        raise errors.illegal_characters("recvWindow", r"^([0-9]{1,20})(\.[0-9]{1,3})?$")
    whole, fraction = match.groups()
    value = int(whole) * 1000 + int((fraction or "").ljust(3, "0"))
    if value > MAX_RECV_WINDOW_US:
        raise errors.RECV_WINDOW_TOO_LARGE
    return value
