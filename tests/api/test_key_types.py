"""Requests signed with Ed25519, RSA and HMAC keys, and keys that work from some addresses only."""

import base64
import time
from collections.abc import Callable, Iterator
from ipaddress import ip_address, ip_network
from urllib.parse import quote

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256, SHA512
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from services.infra.addresses import NOWHERE, client_address
from services.local.internal import Account, InternalClient
from services.trading.signing import HmacKey, SigningKey, public_signing_key
from tests.api.trader import API_KEY_HEADER, FORM, Trader, encode, error_of, exchange, now_ms, succeeded
from tests.running import RunningSystem

PrivateKey = Ed25519PrivateKey | RSAPrivateKey
WRONG = (400, -1022, "Signature for this request is not valid.")
REJECTED = (401, -2015, "Invalid API-key, IP, or permissions for action.")
ORDER = "symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC&quantity=0.01&price=30000"
KEYS: dict[str, PrivateKey] = {
    "ED25519": Ed25519PrivateKey.generate(),
    "RSA 2048": generate_private_key(65537, 2048),
    "RSA 4096": generate_private_key(65537, 4096),
}


def public_pem(key: PrivateKey) -> str:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def sign(key: PrivateKey, payload: str) -> str:
    if isinstance(key, Ed25519PrivateKey):
        return base64.b64encode(key.sign(payload.encode())).decode()
    return base64.b64encode(key.sign(payload.encode(), PKCS1v15(), SHA256())).decode()


@pytest.fixture(params=KEYS)
def private_key(request: pytest.FixtureRequest) -> PrivateKey:
    return KEYS[request.param]


# Signatures by themselves


def test_signatures_are_for_one_payload_and_one_key(private_key: PrivateKey) -> None:
    key = public_signing_key(public_pem(private_key))
    payload = "symbol=BTCUSDT&timestamp=1668481559918"
    signature = sign(private_key, payload)
    assert key.verifies(payload.encode(), signature)
    assert not key.verifies(payload.encode() + b" ", signature)
    other = Ed25519PrivateKey.generate() if isinstance(private_key, Ed25519PrivateKey) else KEYS["RSA 2048"]
    if other is not private_key:
        assert not key.verifies(payload.encode(), sign(other, payload))


def test_a_signature_has_one_spelling(private_key: PrivateKey) -> None:
    key = public_signing_key(public_pem(private_key))
    payload = b"timestamp=1668481559918"
    signature = sign(private_key, payload.decode())
    # 64, 256 and 512 bytes: the last character before the padding has bits to spare.
    head, last = signature.rstrip("=")[:-1], signature.rstrip("=")[-1]
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    padding = signature[len(head) + 1 :]
    loose = head + alphabet[alphabet.index(last) | 1] + padding
    assert base64.b64decode(loose) == base64.b64decode(signature)
    others = [loose, signature.rstrip("="), signature.lower(), signature.upper(), f" {signature}", f"{signature}\n"]
    others += [base64.urlsafe_b64encode(base64.b64decode(signature)).decode() + "-", signature.replace("=", "%3D")]
    others += [base64.b64decode(signature).hex(), "", "=", "\N{SNOWMAN}", "A" * len(signature), signature[4:]]
    for other in others:
        assert not key.verifies(payload, other), other
    assert key.verifies(payload, signature)


def test_rsa_means_sha256() -> None:
    private = KEYS["RSA 2048"]
    assert isinstance(private, RSAPrivateKey)
    key = public_signing_key(public_pem(private))
    signature = base64.b64encode(private.sign(b"x=1", PKCS1v15(), SHA512())).decode()
    assert not key.verifies(b"x=1", signature)


def test_a_key_never_shows_its_secret() -> None:
    key: SigningKey = HmacKey("very secret")
    assert "very secret" not in repr(key) + str(key)


# Where a request comes from

PROXIES = (ip_network("10.0.0.0/8"), ip_network("fd00::/8"))
CAME_FROM = [
    # Nobody is trusted with saying who it is for.
    ("203.0.113.7", ["198.51.100.1"], "203.0.113.7"),
    ("10.0.0.1", [], "10.0.0.1"),
    ("10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
    # What the client itself wrote stands before what the proxy added.
    ("10.0.0.1", ["192.0.2.9, 198.51.100.1"], "198.51.100.1"),
    ("10.0.0.1", ["192.0.2.9", "198.51.100.1, 10.0.0.2"], "198.51.100.1"),
    ("10.0.0.1", ["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
    ("10.0.0.1", ["198.51.100.1, nonsense"], "10.0.0.1"),
    ("10.0.0.1", ["198.51.100.1, nonsense, 10.0.0.2"], "10.0.0.2"),
    ("10.0.0.1", [""], "10.0.0.1"),
    ("fd00::1", ["2001:db8::1"], "2001:db8::1"),
    ("::ffff:10.0.0.1", ["::ffff:198.51.100.1"], "198.51.100.1"),
    ("::ffff:203.0.113.7", [], "203.0.113.7"),
]


@pytest.mark.parametrize(("peer", "forwarded", "expected"), CAME_FROM)
def test_where_a_request_comes_from(peer: str, forwarded: list[str], expected: str) -> None:
    headers = [(b"x-forwarded-for", line.encode()) for line in forwarded]
    scope = {"client": (peer, 1), "headers": headers}
    assert client_address(scope, PROXIES) == ip_address(expected)


def test_without_trusted_proxies_nobody_is_believed() -> None:
    headers = [(b"x-forwarded-for", b"198.51.100.1")]
    assert client_address({"client": ("127.0.0.1", 1), "headers": headers}, ()) == ip_address("127.0.0.1")
    assert client_address({"client": None, "headers": headers}, ()) == NOWHERE


# A running exchange


class Signer(Trader):
    """A trader whose key stays with it."""

    def __init__(self, http: httpx.Client, account: Account, private_key: PrivateKey) -> None:
        super().__init__(http, account)
        self.private_key = private_key

    def signed(self, payload: str, body: str = "", **timing: object) -> str:
        timing.setdefault("timestamp", now_ms())
        payload = "&".join(filter(None, [payload, encode(timing)]))
        return f"{payload}&signature={quote(sign(self.private_key, payload + body), safe='')}"


NewSigner = Callable[..., Signer]


@pytest.fixture
def new_signer(system: RunningSystem, http: httpx.Client) -> Iterator[NewSigner]:
    signers: list[Signer] = []

    def made(private_key: PrivateKey, ip_allow_list: list[str] | None = None) -> Signer:
        with InternalClient(system.directory, system.state) as client:
            account = client.create_account(public_key=public_pem(private_key), ip_allow_list=ip_allow_list)
        system.deposit(account.user_id, "USDT", "10000")
        signers.append(Signer(http, account, private_key))
        return signers[-1]

    yield made
    for signer in signers:
        signer.cancel_everything()


def test_trading_with_ones_own_key(private_key: PrivateKey, new_signer: NewSigner) -> None:
    signer = new_signer(private_key)
    order_id = signer.buy("0.01", "30000")["orderId"]
    assert [order["orderId"] for order in signer.get("openOrders")] == [order_id]
    form = signer.signed(f"symbol=BTCUSDT&orderId={order_id}")
    assert succeeded(signer.send_raw("DELETE", "order", body=form))["status"] == "CANCELED"
    split = signer.signed("symbol=BTCUSDT&side=BUY&type=LIMIT", "timeInForce=GTC&quantity=0.01&price=30000")
    succeeded(signer.send_raw("POST", "order", split, "timeInForce=GTC&quantity=0.01&price=30000"))


def test_signatures_that_do_not_hold(private_key: PrivateKey, new_signer: NewSigner) -> None:
    signer = new_signer(private_key)
    query = signer.signed("symbol=BTCUSDT&limit=5")
    head, signature = query.split("&signature=")
    for wrong in (
        query.replace("limit=5", "limit=6"),
        f"{head}&signature={signature.swapcase()}",
        f"{head}&signature=c8db56825ae71d6d79447849e617115f4a920fa2acdcab2b053c4b2838bd6b71",
        f"{head}&signature=%F0%9F%94%91",
    ):
        assert error_of(signer.send_raw("GET", "allOrders", wrong)) == WRONG
    succeeded(signer.send_raw("GET", "allOrders", query))


def test_a_timestamp_in_microseconds(new_signer: NewSigner) -> None:
    signer = new_signer(KEYS["ED25519"])
    succeeded(signer.send_raw("GET", "account", signer.signed("", timestamp=time.time_ns() // 1000)))


def test_an_allow_list_is_held(new_signer: NewSigner) -> None:
    key = KEYS["ED25519"]
    succeeded(new_signer(key, ["127.0.0.0/8"]).send("GET", "account"))
    away = new_signer(key, ["203.0.113.0/24", "2001:db8::/32"])
    forged = {"X-Forwarded-For": "203.0.113.7"}
    for headers in (None, forged):
        assert error_of(away.send("GET", "account", headers=headers)) == REJECTED
        assert error_of(away.send_raw("POST", "order", away.signed(ORDER), headers=headers)) == REJECTED
    # The cleaner must not meet the same refusal.
    away.get = lambda *_args, **_parameters: []  # type: ignore[method-assign]


class Owner:
    """Someone signed in, who changes the allow-list of one key and uses it from anywhere."""

    def __init__(self, http: httpx.Client) -> None:
        self.http = http
        self.bearer: dict[str, str] = {}
        credentials = {"email": f"owner-{time.time_ns()}@example.com", "password": "correct horse battery staple"}
        self.ask("POST", "register", credentials)
        self.bearer = {"Authorization": f"Bearer {self.ask('POST', 'login', credentials)['accessToken']}"}
        self.key = KEYS["ED25519"]
        body = {"label": "mine", "permissions": ["read"], "publicKey": public_pem(self.key)}
        self.api_key = self.ask("POST", "api-keys", body)["apiKey"]

    def ask(self, method: str, path: str, body: object) -> dict[str, str]:
        answer = self.http.request(method, f"/auth/v1/{path}", json=body, headers=self.bearer)
        assert answer.is_success, answer.text
        made: dict[str, str] = answer.json()
        return made

    def allow(self, *networks: str) -> None:
        self.ask("PATCH", f"api-keys/{self.api_key}", {"ipAllowList": list(networks)})

    def read_from(self, address: str) -> httpx.Response:
        payload = f"timestamp={now_ms()}"
        query = f"{payload}&signature={quote(sign(self.key, payload), safe='')}"
        headers = {API_KEY_HEADER: self.api_key, "X-Forwarded-For": address, "Content-Type": FORM}
        return exchange(self.http, "GET", "account", query, headers=headers)


def test_a_changed_allow_list_is_in_force_at_once(start_system: Callable[..., RunningSystem]) -> None:
    system = start_system(environment={"CROSSBOOK_TRUSTED_PROXIES": "127.0.0.1/32, ::1/128"})
    with httpx.Client(base_url=system.base_url, timeout=20, trust_env=False) as http:
        owner = Owner(http)
        home, away = "203.0.113.7", "198.51.100.1"
        succeeded(owner.read_from(away))
        owner.allow("203.0.113.0/24")
        # The announcement travels beside the answer.
        deadline_s = time.monotonic() + 2
        while owner.read_from(away).is_success and time.monotonic() < deadline_s:
            time.sleep(0.01)
        assert error_of(owner.read_from(away)) == REJECTED
        assert error_of(owner.read_from(f"{home}, {away}")) == REJECTED
        succeeded(owner.read_from(home))
        succeeded(owner.read_from(f"{away}, {home}"))
