"""An issuer of access tokens that is not ours: keys of its own, and a socket where it publishes them."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from jose import jwk, jws

ISSUER = "https://issuer.example/pool"
CLIENT = "the client"


class Keys:
    """A private key under a name."""

    def __init__(self, key_id: str, algorithm: str = "RS256") -> None:
        self.key_id, self.algorithm = key_id, algorithm
        key = ec.generate_private_key(ec.SECP256R1()) if algorithm == "ES256" else rsa.generate_private_key(65537, 2048)
        self.pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
        self.public_pem = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()

    def public(self, **changes: Any) -> dict[str, Any]:
        numbers = jwk.construct(self.public_pem, self.algorithm).to_dict()
        published = {name: value.decode() if isinstance(value, bytes) else value for name, value in numbers.items()}
        return published | {"kid": self.key_id, "use": "sig"} | changes

    def sign(self, claims: dict[str, Any], **headers: Any) -> str:
        token: str = jws.sign(claims, self.pem, headers={"kid": self.key_id} | headers, algorithm=self.algorithm)
        return token


def claims(**changes: Any) -> dict[str, Any]:
    """As Cognito writes them into access tokens; what is changed to ``...`` is left out."""
    now_s = int(time.time())
    made = {
        "iss": ISSUER,
        "client_id": CLIENT,
        "token_use": "access",
        "sub": "5f3c8e1a",
        "iat": now_s,
        "exp": now_s + 3600,
        "jti": "1",
    } | changes
    return {name: value for name, value in made.items() if value is not ...}


class JwksServer:
    """Answers every request with the same, and counts."""

    def __init__(self, *keys: Keys) -> None:
        self.document: Any = {"keys": [key.public() for key in keys]}
        self.status = "200 OK"
        self.delay_s = 0.0
        self.asked = 0
        self.url = ""

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            self.asked += 1
            await asyncio.sleep(self.delay_s)
            body = self.document if isinstance(self.document, bytes) else json.dumps(self.document).encode()
            writer.write(f"HTTP/1.1 {self.status}\r\nConnection: close\r\n\r\n".encode() + body)
            await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    @asynccontextmanager
    async def serving(self) -> AsyncIterator["JwksServer"]:
        server = await asyncio.start_server(self._answer, "127.0.0.1", 0)
        async with server:
            self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/jwks.json"
            yield self
