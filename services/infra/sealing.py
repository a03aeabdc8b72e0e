"""Sealing: secrets that must be read again are stored encrypted with AES-256-GCM.

A sealed value is a format byte, a random nonce and the ciphertext with its tag. It is bound to what it belongs to (an
API key, a signing key's id), so a sealed value copied into another row does not open.
"""

import secrets
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

# Names the layout and the key in use, so that a second of either can be told apart.
FORMAT: Final = b"\x01"
NONCE_BYTES: Final = 12


class CannotOpen(Exception):
    """The sealed value was changed, belongs elsewhere, or was sealed with another encryption key."""


class Seal:
    """Holds the encryption key; never shows it."""

    def __init__(self, encryption_key: bytes) -> None:
        self._cipher = AESGCM(encryption_key)

    def close(self, secret: str, *, belongs_to: str) -> bytes:
        nonce = secrets.token_bytes(NONCE_BYTES)
        return FORMAT + nonce + self._cipher.encrypt(nonce, secret.encode(), belongs_to.encode())

    def open(self, sealed: bytes, *, belongs_to: str) -> str:
        if sealed[:1] != FORMAT:
            raise CannotOpen(f"the secret of {belongs_to} has an unknown format")
        nonce, ciphertext = sealed[1 : 1 + NONCE_BYTES], sealed[1 + NONCE_BYTES :]
        try:
            return self._cipher.decrypt(nonce, ciphertext, belongs_to.encode()).decode()
        except (InvalidTag, ValueError) as error:
            raise CannotOpen(f"the secret of {belongs_to} does not open with this encryption key") from error
