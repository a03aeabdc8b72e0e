"""The same contract on Envoy, which unlike Kong can be had as a package: the contract test runs it.

Envoy's local rate limit counts a route's requests, not an address' own.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from deploy.routes.table import Route, Table

_FILTERS: Final = "type.googleapis.com/envoy.extensions.filters.http"
_MANAGER: Final = (
    "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
)
CONNECT_TIMEOUT: Final = "1s"


def configure(
    table: Table,
    *,
    port: int,
    admin_port: int,
    upstreams: Mapping[str, tuple[str, int]],
    origins: Sequence[str],
    operator_networks: Sequence[str],
) -> dict[str, Any]:
    manager = {
        "@type": _MANAGER,
        "stat_prefix": "crossbook",
        "use_remote_address": True,
        "generate_request_id": True,
        "preserve_external_request_id": True,
        "always_set_request_id_in_response": True,
        "normalize_path": True,
        "merge_slashes": True,
        "path_with_escaped_slashes_action": "REJECT_REQUEST",
        "upgrade_configs": [{"upgrade_type": "websocket", "enabled": False}],
        "stream_idle_timeout": "0s",
        "route_config": {
            "virtual_hosts": [
                {
                    "name": "crossbook",
                    "domains": ["*"],
                    "routes": [_route(path, route, table, origins) for path, route in table.longest_first()],
                }
            ]
        },
        "http_filters": [
            _filter("cors", "cors.v3.Cors"),
            _filter("rbac", "rbac.v3.RBAC", _operators(table, operator_networks)),
            _filter("local_ratelimit", "local_ratelimit.v3.LocalRateLimit", {"stat_prefix": "limit"}),
            _filter("jwt_authn", "jwt_authn.v3.JwtAuthentication", _tokens(table)),
            _filter("buffer", "buffer.v3.Buffer", {"max_request_bytes": 1024 * 1024}),
            _filter("router", "router.v3.Router"),
        ],
    }
    network_filter = {"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}
    return {
        "admin": {"address": _address("127.0.0.1", admin_port)},
        "static_resources": {
            "listeners": [
                {
                    "name": "public",
                    "address": _address("127.0.0.1", port),
                    "filter_chains": [{"filters": [network_filter]}],
                }
            ],
            "clusters": [_cluster(name, *upstreams[name]) for name in table.upstreams()],
        },
    }


def _route(path: str, route: Route, table: Table, origins: Sequence[str]) -> dict[str, Any]:
    action: dict[str, Any] = {"cluster": route.upstream, "timeout": f"{route.timeout_s}s"}
    if route.websocket:
        action |= {
            "timeout": "0s",
            "idle_timeout": f"{route.timeout_s}s",
            "upgrade_configs": [{"upgrade_type": "websocket", "enabled": True}],
        }
    buffer = {"buffer": {"max_request_bytes": route.body_kib * 1024}}
    settings: dict[str, Any] = {
        # Sockets are not to be waited for until they are whole.
        "envoy.filters.http.buffer": _typed(
            "buffer.v3.BufferPerRoute", {"disabled": True} if route.websocket else buffer
        ),
        "envoy.filters.http.local_ratelimit": _typed("local_ratelimit.v3.LocalRateLimit", _limit(route)),
    }
    if route.cors:
        settings["envoy.filters.http.cors"] = _typed("cors.v3.CorsPolicy", _cors(table, origins))
    return {"match": {"path_separated_prefix": path}, "route": action, "typed_per_filter_config": settings}


def _limit(route: Route) -> dict[str, Any]:
    whole = {"numerator": 100, "denominator": "HUNDRED"}
    return {
        "stat_prefix": route.name,
        "token_bucket": {
            "max_tokens": route.burst,
            "tokens_per_fill": route.requests_per_s,
            "fill_interval": "1s",
        },
        "filter_enabled": {"default_value": whole},
        "filter_enforced": {"default_value": whole},
    }


def _cors(table: Table, origins: Sequence[str]) -> dict[str, Any]:
    cors = table.cors
    return {
        "allow_origin_string_match": [{"exact": origin} for origin in origins],
        "allow_methods": ", ".join(cors.methods),
        "allow_headers": ", ".join(cors.headers),
        "expose_headers": ", ".join(cors.exposed_headers),
        "max_age": str(cors.max_age_s),
        "allow_credentials": True,
        "forward_not_matching_preflights": False,
    }


def _tokens(table: Table) -> dict[str, Any]:
    return {
        "providers": {
            "auth": {
                "issuer": "crossbook",
                "audiences": ["crossbook"],
                "forward": True,
                "remote_jwks": {
                    "http_uri": {
                        "uri": "http://auth/.well-known/jwks.json",
                        "cluster": "auth",
                        "timeout": "5s",
                    },
                    "cache_duration": {"seconds": 300},
                },
            }
        },
        "rules": [
            {
                "match": {"path_separated_prefix": path},
                **({"requires": {"provider_name": "auth"}} if route.bearer else {}),
            }
            for path, route in table.longest_first()
        ],
        "bypass_cors_preflight": True,
    }


def _operators(table: Table, networks: Sequence[str]) -> dict[str, Any]:
    """Deny what is for operators from anywhere else; and methods that a route does not have."""
    elsewhere = {"not_id": {"or_ids": {"ids": [{"remote_ip": _network(network)} for network in networks]}}}
    policies: dict[str, Any] = {
        f"operators-{route.name}": {
            "permissions": [{"url_path": {"path": {"prefix": path}}} for path in route.paths],
            "principals": [elsewhere],
        }
        for route in table.route
        if route.operators_only
    }
    return {"rules": {"action": "DENY", "policies": policies}}


def _network(network: str) -> dict[str, Any]:
    address, _, length = network.partition("/")
    return {"address_prefix": address, "prefix_len": int(length)}


def _cluster(name: str, host: str, port: int) -> dict[str, Any]:
    endpoint = {"endpoint": {"address": _address(host, port)}}
    return {
        "name": name,
        "type": "STATIC",
        "connect_timeout": CONNECT_TIMEOUT,
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [endpoint]}]},
    }


def _address(host: str, port: int) -> dict[str, Any]:
    return {"socket_address": {"address": host, "port_value": port}}


def _filter(name: str, message: str, config: Mapping[str, Any] | None = None) -> dict[str, Any]:
    return {"name": f"envoy.filters.http.{name}", "typed_config": _typed(message, config or {})}


def _typed(message: str, config: Mapping[str, Any]) -> dict[str, Any]:
    return {"@type": f"{_FILTERS}.{message}", **config}
