"""The image and the chart together: the chart's own manifests are run from the image, and an order is traded.

``podman kube play`` knows pods, not what makes them. So every pod template that the chart renders is played as one pod;
what is changed in it is only what one machine forces: the kind, addresses in place of a cluster's DNS, no placement,
and no probes, which would need systemd. Secrets, environment, security contexts and arguments are the chart's.
PostgreSQL and Redis run beside; each role must show the password that the migration gave it.
"""

import contextlib
import json
import secrets
import tempfile
import time
from base64 import b64encode
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import httpx
import yaml

from deploy.check import stores
from deploy.check.chart import CHART, KUBERNETES_VERSIONS, render
from deploy.check.containers import IMAGE, build, logs, needs_root, podman
from deploy.check.tools import Failed
from services.domain.money import parse_e8
from services.local.client import PublicClient, Unavailable
from services.local.data_directory import DataDirectory, RunState
from services.local.internal import Account, InternalClient
from tests.running import wait_until

NETWORK: Final = "crossbook-check"
SUBNET: Final = "10.213.7"
GATEWAY: Final = f"{SUBNET}.1"
FIRST_HOST: Final = 10
READY_TIMEOUT_S: Final = 120.0
STOP_TIMEOUT_S: Final = "20"
REMOVALS: Final = 5
Manifest = dict[str, Any]
# Means nothing on one machine.
_CLUSTER_ONLY: Final = ("topologySpreadConstraints", "affinity", "serviceAccountName", "priorityClassName")
# Run by systemd; written into volumes that Debian 12's podman does not know (/tmp is in memory anyway); published to
# the whole machine.
_CONTAINERS_ONLY: Final = ("startupProbe", "livenessProbe", "readinessProbe", "lifecycle", "volumeMounts", "ports")


def trades(root: Path) -> str:
    needs_root()
    build(root)
    manifests = render(root, root / CHART / "ci" / "one-machine.yaml", KUBERNETES_VERSIONS[-1])
    pods = _Pods(manifests)
    services = sorted(
        path.parent.name for path in (root / "services").glob("*/__main__.py") if path.parent.name != "local"
    )
    with tempfile.TemporaryDirectory(prefix="crossbook-play-") as name, _network(), _cleared():
        directory = DataDirectory(Path(name) / "exchange")
        directory.claim()
        podman("pod", "create", "--name", pods.anchor, "--network", NETWORK, "--ip", f"{SUBNET}.2")
        podman("pod", "start", pods.anchor)
        with stores.running(Path(name) / "stores", GATEWAY) as running:
            for secret in _secrets(directory, services):
                # Debian 12's podman keeps a played secret as YAML, and expects the JSON of its data.
                podman("secret", "create", secret["metadata"]["name"], "-", stdin=json.dumps(secret["data"]))
            _play(pods.migration())
            _wait_for_migration()
            running.ask_for_passwords(services)
            for pod in pods.servers():
                _play(pod)
            try:
                return f"{_trade(pods, directory)}; {_verify()}"
            except Unavailable as error:
                raise Failed(f"{error}\n{_logs()}") from error


class _Pods:
    """The chart's pod templates as pods, each with an address of its own."""

    # Brings the network's address of this machine up before anything else needs it.
    anchor = "crossbook-check-anchor"

    def __init__(self, manifests: list[Manifest]) -> None:
        self._templates: dict[str, Manifest] = {}
        for kind in ("Job", "StatefulSet", "Deployment"):
            for manifest in (manifest for manifest in manifests if manifest["kind"] == kind):
                name, replicas = manifest["metadata"]["name"], manifest["spec"].get("replicas", 1)
                names = [f"{name}-{ordinal}" for ordinal in range(replicas)] if kind == "StatefulSet" else [name]
                self._templates |= dict.fromkeys(names, manifest["spec"]["template"])
        self._addresses = {name: f"{SUBNET}.{FIRST_HOST + number}" for number, name in enumerate(self._templates)}

    def url(self, name: str) -> str:
        return f"http://{self._addresses[name]}:8000"

    @property
    def engines(self) -> list[str]:
        return [name for name in self._templates if name.startswith("crossbook-engine")]

    @property
    def names(self) -> list[str]:
        """Of those that stay."""
        return [name for name in self._templates if name != "crossbook-migration"]

    def migration(self) -> Manifest:
        return self._pod("crossbook-migration")

    def servers(self) -> list[Manifest]:
        return [self._pod(name) for name in self.names]

    def _pod(self, name: str) -> Manifest:
        template = self._templates[name]
        spec = {key: value for key, value in template["spec"].items() if key not in (*_CLUSTER_ONLY, "volumes")}
        spec["hostAliases"] = [
            {"ip": address, "hostnames": [known, f"{known}.crossbook-engine"]}
            for known, address in self._addresses.items()
        ]
        spec["containers"] = [
            {key: value for key, value in container.items() if key not in _CONTAINERS_ONLY}
            for container in spec["containers"]
        ]
        metadata = {"name": name, "labels": template["metadata"]["labels"]}
        return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec, "address": self._addresses[name]}


def _secrets(directory: DataDirectory, services: list[str]) -> list[Manifest]:
    """What the external-secrets operator would make."""
    kept = directory.secrets()
    passwords = {name: secrets.token_urlsafe(24) for name in services}
    made = [
        _secret(
            "crossbook-migration",
            CROSSBOOK_DATABASE_URL=f"postgresql://postgres@{GATEWAY}:{stores.POSTGRES_PORT}/{stores.DATABASE}",
            **{f"CROSSBOOK_ROLE_PASSWORD_{name.upper()}": password for name, password in passwords.items()},
        )
    ]
    for name, password in passwords.items():
        authority = f"crossbook_{name}:{password}@{GATEWAY}:{stores.POSTGRES_PORT}"
        made.append(
            _secret(
                f"crossbook-{name}",
                CROSSBOOK_DATABASE_URL=f"postgresql://{authority}/{stores.DATABASE}",
                CROSSBOOK_REDIS_URL=f"redis://{GATEWAY}:{stores.REDIS_PORT}/0",
                CROSSBOOK_INTERNAL_TOKEN=kept.internal_token,
                CROSSBOOK_ENCRYPTION_KEY=kept.encryption_key,
            )
        )
    return made


def _secret(name: str, **values: str) -> Manifest:
    encoded = {key: b64encode(value.encode()).decode() for key, value in values.items()}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "type": "Opaque", "data": encoded}


def _play(pod: Manifest) -> None:
    address = pod.pop("address")
    text = yaml.safe_dump(pod)
    podman("kube", "play", "--network", NETWORK, "--ip", address, "-", stdin=text, timeout_s=READY_TIMEOUT_S)


def _wait_for_migration() -> None:
    container = "crossbook-migration-migration"
    code = podman("wait", container, timeout_s=READY_TIMEOUT_S).strip()
    if code != "0":
        raise Failed(f"the migration ended with {code}:\n{logs(container)}")


def _trade(pods: _Pods, directory: DataDirectory) -> str:
    """As two clients, through the trading pod, before and after two engines have gone.

    One is stopped as a cluster does it, the container first: it hands over. Of the other the pod is stopped, and with
    that podman takes its network away at once: for the others its machine has vanished.
    """
    _wait_ready(pods)
    state = RunState(
        *(0, "", True, pods.url("crossbook-trading"), pods.url("crossbook-auth")),
        *([pods.url(name) for name in pods.engines], "postgresql://unused", "redis://unused", []),
    )
    with InternalClient(directory, state) as internal:
        seller, buyer = internal.create_account(), internal.create_account()
        internal.deposit(seller.user_id, "BTC", parse_e8("1"), "check:seller")
        internal.deposit(buyer.user_id, "USDT", parse_e8("5000"), "check:buyer")
    _buy_and_sell(pods, buyer, seller)
    first = _active_engine(pods)
    podman("stop", "--time", STOP_TIMEOUT_S, _container(first))
    _buy_and_sell(pods, buyer, seller)
    second = _active_engine(pods)
    podman("start", _container(first))
    _wait_ready(pods)
    podman("pod", "stop", "--time", STOP_TIMEOUT_S, second)
    third = _active_engine(pods)
    _buy_and_sell(pods, buyer, seller)
    return (
        f"{len(pods.servers())} pods; traded, {first} handed over to {second}, which vanished and left {third}, trading"
    )


def _container(engine: str) -> str:
    return f"{engine}-engine"


def _verify() -> str:
    """As the chart's verification does."""
    url = f"postgresql://postgres@{GATEWAY}:{stores.POSTGRES_PORT}/{stores.DATABASE}"
    told = json.loads(
        podman(
            *("run", "--rm", "--read-only", "--no-healthcheck", "--cap-drop", "all", "--network", NETWORK),
            *("--env", f"CROSSBOOK_DATABASE_URL={url}", IMAGE, "services.local.verify"),
        )
    )
    return f"verified {told['commands']} commands"


def _buy_and_sell(pods: _Pods, buyer: Account, seller: Account) -> None:
    wish = {"symbol": "BTCUSDT", "type": "LIMIT", "timeInForce": "GTC", "quantity": "0.01", "price": "60000"}
    for account, side, expected in ((seller, "SELL", "NEW"), (buyer, "BUY", "FILLED")):
        with closing(PublicClient(pods.url("crossbook-trading"), account.api_key, account.secret_key)) as client:
            status = client.signed("POST", "/api/v3/order", side=side, **wish)["status"]
        if status != expected:
            raise Failed(f"a {side} was {status}, not {expected}")


def _wait_ready(pods: _Pods) -> None:
    urls = [f"{pods.url(name)}/health/{'fit' if name in pods.engines else 'ready'}" for name in pods.names]
    for url in urls:
        try:
            wait_until(lambda url=url: _answers(url), READY_TIMEOUT_S)  # type: ignore[misc]
        except TimeoutError as error:
            raise Failed(f"{url} does not answer\n{_logs()}") from error


def _active_engine(pods: _Pods) -> str:
    wait_until(lambda: any(_answers(f"{pods.url(name)}/health/ready") for name in pods.engines), READY_TIMEOUT_S)
    return next(name for name in pods.engines if _answers(f"{pods.url(name)}/health/ready"))


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=2, trust_env=False).status_code == httpx.codes.OK
    except httpx.HTTPError:
        return False


def _logs() -> str:
    names = podman("ps", "--all", "--filter", "name=crossbook-", "--format", "{{.Names}}").split()
    return "\n".join(f"{name}: {logs(name)}" for name in names if "infra" not in name)


@contextlib.contextmanager
def _network() -> Iterator[None]:
    _clear()
    podman("network", "create", "--subnet", f"{SUBNET}.0/24", "--gateway", GATEWAY, NETWORK)
    yield


@contextlib.contextmanager
def _cleared() -> Iterator[None]:
    try:
        yield
    finally:
        _clear()


def _remove(pod: str) -> None:
    """Busy, podman loses track of a container that ends while it is being stopped; asked again, it knows."""
    for _ in range(REMOVALS - 1):
        try:
            podman("pod", "rm", "--force", "--ignore", "--time", "10", pod)
        except Failed:
            time.sleep(1)
        else:
            return
    podman("pod", "rm", "--force", "--ignore", "--time", "10", pod)


def _clear() -> None:
    """What this run or one that was killed has left."""
    pods = podman("pod", "ls", "--filter", "name=crossbook-", "--format", "{{.Name}}").split()
    for pod in pods:
        _remove(pod)
    for name in podman("secret", "ls", "--format", "{{.Name}}").split():
        if name.startswith("crossbook-"):
            podman("secret", "rm", name)
    with contextlib.suppress(Failed):
        podman("network", "rm", "--force", NETWORK)
