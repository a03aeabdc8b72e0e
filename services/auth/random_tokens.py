"""Random tokens: 256 random bits that only their bearer knows, kept as digests.

A plain hash is enough for so many random bits. Whatever else a client sends in a token's place has a digest, too.
"""

import secrets
from hashlib import sha256
from typing import Final

TOKEN_BYTES: Final = 32


def new_token() -> str:
    return secrets.token_urlsafe(TOKEN_BYTES)


def digest(token: str) -> bytes:
    return sha256(token.encode(errors="surrogatepass")).digest()
