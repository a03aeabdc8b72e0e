"""Keys that clients make themselves, and allow-lists: what is registered, listed, changed, told to trading, refused."""

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from redis.asyncio import Redis

from services.auth.public_keys import read_public_key
from services.infra.postgres import Connection
from services.infra.tokens import AUTH_CHANGED_CHANNEL

from .conftest import Join, Member

BOT = {"label": "my bot", "permissions": ["read", "trade"]}
# The samples of Binance's own description of key types.
ED25519_PEM = """-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEAgmDRTtj2FA+wzJUIlAL9ly1eovjLBu7uXUFR+jFULmg=
-----END PUBLIC KEY-----
"""
RSA_PEM = """-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAyfKiFXpcOhF5rX1XxePN
akwN7Etwtn3v05cZNY+ftDHbVZHs/kY6Ruj5lhxVFAq5dv7Ba9/4jPijXuMuIc6Y
8nUlqtrrxC8DEOAczw9SKATDYZN9nbLfYlbBFfHzRQUXdAtYCPI6XtxmJBS7aOBb
4nZe1SVm+bhLrp0YQnx2P0s+37qkGeVn09m6w9MnWxjgCkkYFPWQkXIu5qOnwx6p
NfqDmFD7d7dUc/6PZQ1bKFALu/UETsobmBk82ShbrBhlc0JXuhf9qBR7QASjHjFQ
2N+VF2PfH8dm5prZIpz/MFKPkBW4Yuss0OXiD+jQt1J2JUKspLqsIqoXjHQQGjL7
3wIDAQAB
-----END PUBLIC KEY-----
"""


def _pem(key: PublicKeyTypes, form: PublicFormat = PublicFormat.SubjectPublicKeyInfo) -> str:
    return key.public_bytes(Encoding.PEM, form).decode()


async def _create(client: httpx.AsyncClient, member: Member, **changes: object) -> httpx.Response:
    return await client.post("/auth/v1/api-keys", json=BOT | changes, headers=member.bearer)


async def _change(client: httpx.AsyncClient, member: Member, api_key: str, **changes: object) -> httpx.Response:
    return await client.patch(f"/auth/v1/api-keys/{api_key}", json=changes, headers=member.bearer)


@pytest.mark.parametrize(("kind", "pem"), [("ED25519", ED25519_PEM), ("RSA", RSA_PEM)])
async def test_a_public_key_instead_of_a_secret(
    kind: str, pem: str, client: httpx.AsyncClient, join: Join, internal: dict[str, str], database: Connection
) -> None:
    ada = await join("ada@example.com")
    created = await _create(client, ada, publicKey=pem)
    assert created.status_code == 201, created.text
    key = created.json()
    assert set(key) == {"apiKey", "label", "permissions", "kind", "publicKey", "ipAllowList", "createdAt"}
    assert (key["kind"], key["publicKey"]) == (kind, pem)
    assert (await client.get("/auth/v1/api-keys", headers=ada.bearer)).json() == [key]
    assert (await client.get(f"/internal/api-keys/{key['apiKey']}", headers=internal)).json() == {
        "accountId": ada.account_id,
        "kind": kind,
        "publicKey": pem,
        "permissions": ["read", "trade"],
        "ipAllowList": [],
        "createdAt": key["createdAt"],
    }
    assert await database.fetchval("SELECT secret_sealed IS NULL FROM auth.api_keys") is True


async def test_an_operator_registers_a_public_key(client: httpx.AsyncClient, internal: dict[str, str]) -> None:
    body = {"publicKey": ED25519_PEM, "ipAllowList": ["203.0.113.7"]}
    made = await client.post("/internal/accounts", json=body, headers=internal)
    assert set(made.json()) == {"userId", "apiKey"}
    found = (await client.get(f"/internal/api-keys/{made.json()['apiKey']}", headers=internal)).json()
    assert (found["kind"], found["ipAllowList"]) == ("ED25519", ["203.0.113.7/32"])


def test_one_form_of_every_key() -> None:
    key = rsa.generate_private_key(65537, 2048).public_key()
    canonical = _pem(key)
    for written in (canonical, f"\n {canonical} \n", canonical.replace("\n", "\r\n"), _pem(key, PublicFormat.PKCS1)):
        assert read_public_key(written) == ("RSA", canonical)


SMALL_RSA = _pem(rsa.generate_private_key(65537, 1024).public_key())
ELLIPTIC = _pem(ec.generate_private_key(ec.SECP256R1()).public_key())
LONG_EXPONENT = _pem(
    rsa.RSAPublicNumbers(2**64 + 1, rsa.generate_private_key(65537, 2048).public_key().public_numbers().n).public_key()
)
PRIVATE = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
NO_KEY = "must be a public key in PEM"
DEFECTS: list[tuple[dict[str, object], str]] = [
    ({"publicKey": ""}, f"publicKey: {NO_KEY}"),
    ({"publicKey": "ssh-ed25519 AAAA"}, f"publicKey: {NO_KEY}"),
    ({"publicKey": PRIVATE}, f"publicKey: {NO_KEY}"),
    ({"publicKey": ED25519_PEM[:60]}, f"publicKey: {NO_KEY}"),
    ({"publicKey": "\N{SNOWMAN}"}, f"publicKey: {NO_KEY}"),
    ({"publicKey": "x" * 2049}, "publicKey: must have at most 2048 characters"),
    ({"publicKey": 7}, "publicKey: must be a string"),
    ({"publicKey": ELLIPTIC}, "publicKey: must be an Ed25519 or an RSA key"),
    ({"publicKey": SMALL_RSA}, "publicKey: must have 2048 to 4096 bits"),
    ({"publicKey": LONG_EXPONENT}, "publicKey: must have 2048 to 4096 bits and an ordinary exponent"),
    ({"ipAllowList": "10.0.0.1"}, "ipAllowList: Input should be a valid list"),
    ({"ipAllowList": ["10.0.0.1/24"]}, "ipAllowList.0: must be an address, or a network"),
    ({"ipAllowList": ["10.0.0.0/33"]}, "ipAllowList.0: must be an address, or a network"),
    ({"ipAllowList": ["localhost"]}, "ipAllowList.0: must be an address, or a network"),
    ({"ipAllowList": [167772161]}, "ipAllowList.0: must be an address, or a network"),
    ({"ipAllowList": ["10.0.0.1", "fe80::1%eth0"]}, "ipAllowList.1: must be an address, or a network"),
    ({"ipAllowList": [f"10.0.0.{number}" for number in range(31)]}, "ipAllowList: List should have at most 30 items"),
]


async def test_requests_that_name_what_is_wrong(
    client: httpx.AsyncClient, join: Join, subtests: pytest.Subtests
) -> None:
    ada = await join("ada@example.com")
    for changes, message in DEFECTS:
        with subtests.test(changes=changes):
            answer = await _create(client, ada, **changes)
            assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")
            assert answer.json()["message"].startswith(message)
    assert (await client.get("/auth/v1/api-keys", headers=ada.bearer)).json() == []


async def test_an_allow_list_of_both_families(client: httpx.AsyncClient, join: Join, internal: dict[str, str]) -> None:
    given = ["203.0.113.7", "198.51.100.0/24", "2001:db8::/32", "2001:DB8:0::1", "203.0.113.7/32"]
    written = ["203.0.113.7/32", "198.51.100.0/24", "2001:db8::/32", "2001:db8::1/128"]
    key = (await _create(client, await join("ada@example.com"), ipAllowList=given)).json()
    assert key["ipAllowList"] == written
    found = await client.get(f"/internal/api-keys/{key['apiKey']}", headers=internal)
    assert found.json()["ipAllowList"] == written


async def test_label_and_allow_list_change_and_nothing_else_does(
    client: httpx.AsyncClient, join: Join, internal: dict[str, str]
) -> None:
    ada = await join("ada@example.com")
    key = (await _create(client, ada)).json()
    api_key, secret_key = key["apiKey"], key.pop("secretKey")
    for changes, expected in (
        ({"label": "other"}, {"label": "other"}),
        ({"ipAllowList": ["10.0.0.0/8"]}, {"label": "other", "ipAllowList": ["10.0.0.0/8"]}),
        ({}, {"label": "other", "ipAllowList": ["10.0.0.0/8"]}),
        ({"label": "third", "ipAllowList": []}, {"label": "third", "ipAllowList": []}),
    ):
        answer = await _change(client, ada, api_key, **changes)
        assert (answer.status_code, answer.json()) == (200, key | expected)
    assert (await client.get("/auth/v1/api-keys", headers=ada.bearer)).json() == [key | {"label": "third"}]
    found = await client.get(f"/internal/api-keys/{api_key}", headers=internal)
    assert found.json()["secretKey"] == secret_key


async def test_a_change_is_announced(client: httpx.AsyncClient, join: Join, redis_url: str) -> None:
    ada = await join("ada@example.com")
    api_key = (await _create(client, ada)).json()["apiKey"]
    async with Redis.from_url(redis_url) as redis, redis.pubsub() as subscription:
        await subscription.subscribe(AUTH_CHANGED_CHANNEL)
        await subscription.get_message(timeout=5)
        await _change(client, ada, api_key, ipAllowList=["10.0.0.1"])
        message = await subscription.get_message(timeout=5)
        assert message is not None
        assert message["data"].decode() == f"api-key:{api_key}"


async def test_changes_that_are_refused(client: httpx.AsyncClient, join: Join) -> None:
    ada, eve = await join("ada@example.com"), await join("eve@example.com")
    api_key = (await _create(client, ada)).json()["apiKey"]
    for member, name in ((eve, api_key), (ada, "a" * 64), (ada, "x")):
        answer = await _change(client, member, name, label="mine")
        assert (answer.status_code, answer.json()["code"]) == (404, "api_key_not_found")
    for changes in ({"permissions": ["read"]}, {"label": ""}, {"ipAllowList": ["x"]}, {"publicKey": ED25519_PEM}):
        answer = await _change(client, ada, api_key, **changes)
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")
    assert (await client.get("/auth/v1/api-keys", headers=ada.bearer)).json()[0]["label"] == "my bot"


def test_ed25519_keys_are_read_as_they_are_made() -> None:
    key = Ed25519PrivateKey.generate().public_key()
    assert read_public_key(_pem(key)) == ("ED25519", _pem(key))
