"""Kong's declarative file, for running without a database.

The jwt plugin does not fetch keys by itself: the public keys of auth, by their ids, belong into the file. The one in
the repository has none, so it lets nobody through where a token is asked for; ``python -m deploy.routes kong --jwks
URL`` prints one that has them (deploy/compose.yaml does so at the start).
"""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from deploy.routes.table import SERVICE_PORT, Route, Table

FORMAT_VERSION: Final = "3.0"
CONNECT_TIMEOUT_MS: Final = 1_000
CONSUMER: Final = "bearer"
TOO_MANY: Final = "Too many requests; slow down."


class Key(NamedTuple):
    """Who signs tokens: the id that tokens name in their header, and the public key in PEM."""

    key_id: str
    algorithm: str
    pem: str


def declare(
    table: Table,
    *,
    origins: Sequence[str],
    operator_networks: Sequence[str],
    keys: Sequence[Key],
    redis_host: str = "redis",
    web: bool = True,
) -> dict[str, Any]:
    services: list[dict[str, Any]] = [
        _service(route, table, origins, operator_networks, redis_host) for route in table.route
    ]
    if web:
        # What no other route takes is the page's: Kong prefers the longer path.
        services.append(_web())
    declared: dict[str, Any] = {
        "_format_version": FORMAT_VERSION,
        "_transform": True,
        "services": services,
        "plugins": [_metrics(), _request_id()],
    }
    if keys:
        declared["consumers"] = [{"username": CONSUMER}]
        declared["jwt_secrets"] = [
            {"consumer": CONSUMER, "key": key.key_id, "algorithm": key.algorithm, "rsa_public_key": key.pem}
            for key in keys
        ]
    return declared


def _service(
    route: Route, table: Table, origins: Sequence[str], operator_networks: Sequence[str], redis_host: str
) -> dict[str, Any]:
    return {
        "name": route.name,
        "url": f"http://{route.upstream}:{SERVICE_PORT}",
        "connect_timeout": CONNECT_TIMEOUT_MS,
        "read_timeout": route.timeout_s * 1000,
        "write_timeout": route.timeout_s * 1000,
        # An order must not be sent twice.
        "retries": 0,
        "routes": [
            {
                "name": route.name,
                "paths": [form for path in route.paths for form in (f"{path}/", f"~{path}$")],
                "methods": methods(route),
                "protocols": ["http", "https"],
                "strip_path": False,
                "preserve_host": True,
                "plugins": plugins(route, table, origins, operator_networks, redis_host),
            }
        ],
    }


def methods(route: Route) -> list[str]:
    """As Kong must be told: it counts HEAD and preflights as methods of their own."""
    allowed: list[str] = [*route.methods]
    if "GET" in allowed and not route.websocket:
        allowed.append("HEAD")
    if route.cors:
        allowed.append("OPTIONS")
    return allowed


def plugins(
    route: Route, table: Table, origins: Sequence[str], operator_networks: Sequence[str], redis_host: str
) -> list[dict[str, Any]]:
    wanted = [
        _plugin("request-size-limiting", allowed_payload_size=route.body_kib, size_unit="kilobytes"),
        _plugin(
            "rate-limiting",
            second=route.burst,
            minute=route.requests_per_s * 60,
            limit_by="ip",
            policy="redis",
            # Without Redis nobody is counted and everybody is served.
            fault_tolerant=True,
            error_message=TOO_MANY,
            redis={"host": redis_host, "port": 6379},
        ),
    ]
    if route.cors:
        cors = table.cors
        wanted.append(
            _plugin(
                "cors",
                origins=list(origins),
                methods=list(cors.methods),
                headers=list(cors.headers),
                exposed_headers=list(cors.exposed_headers),
                max_age=cors.max_age_s,
                credentials=True,
            )
        )
    if route.bearer:
        # Preflights carry no token.
        wanted.append(
            _plugin("jwt", key_claim_name="kid", claims_to_verify=["exp"], uri_param_names=[], run_on_preflight=False)
        )
    if route.operators_only:
        wanted.append(_plugin("ip-restriction", allow=list(operator_networks)))
    return wanted


def _web() -> dict[str, Any]:
    return {
        "name": "web",
        "url": "http://web:8080",
        "connect_timeout": CONNECT_TIMEOUT_MS,
        "routes": [
            {
                "name": "web",
                "paths": ["/"],
                "methods": ["GET", "HEAD"],
                "protocols": ["http", "https"],
                "strip_path": False,
                "preserve_host": True,
            }
        ],
    }


def _metrics() -> dict[str, Any]:
    return _plugin("prometheus", status_code_metrics=True, latency_metrics=True, bandwidth_metrics=True)


def _request_id() -> dict[str, Any]:
    return _plugin("correlation-id", header_name="X-Request-Id", generator="uuid", echo_downstream=True)


def _plugin(name: str, **config: Any) -> dict[str, Any]:
    return {"name": name, "config": config}
