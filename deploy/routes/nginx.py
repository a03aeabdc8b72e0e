"""The same contract on nginx, for who would rather run that.

It cannot verify tokens: it refuses requests without one, and the services, which verify each themselves, refuse the
rest. Rate limits are of each nginx, not of all together.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from deploy.routes.table import Route, Table

NOT_JSON: Final = '{"code":-1003,"msg":"Too many requests; slow down."}'


class Listen(NamedTuple):
    """Where this installation's nginx listens, and where what is in it lives."""

    address: str
    upstreams: Mapping[str, str]
    origins: Sequence[str]
    operator_networks: Sequence[str]
    web_root: str | None = None


def configure(table: Table, listen: Listen) -> str:
    """What belongs into the ``http`` block."""
    return "\n".join(_lines(table, listen)) + "\n"


def _lines(table: Table, listen: Listen) -> Iterator[str]:
    yield "# Made from deploy/routes/routes.toml by `make routes`: change that."
    yield "map $http_upgrade $crossbook_connection { default upgrade; '' ''; }"
    yield "map $http_origin $crossbook_origin {"
    yield "    default '';"
    yield from (f"    '{origin}' $http_origin;" for origin in listen.origins)
    yield "}"
    yield "map $crossbook_origin $crossbook_credentials { '' ''; default true; }"
    yield "map $http_authorization $crossbook_bearer { default 0; '~^Bearer [^ ]+$' 1; }"
    yield "map $http_x_request_id $crossbook_request_id {"
    yield "    default $request_id;"
    yield "    '~^[A-Za-z0-9._-]{1,64}$' $http_x_request_id;"
    yield "}"
    for route in table.route:
        yield f"limit_req_zone $binary_remote_addr zone={route.name}:10m rate={route.requests_per_s}r/s;"
    for name in table.upstreams():
        yield f"upstream crossbook_{name} {{ server {listen.upstreams[name]}; keepalive 64; }}"
    yield "server {"
    yield f"    listen {listen.address};"
    yield "    server_tokens off;"
    yield "    limit_req_status 429;"
    yield "    keepalive_timeout 75s;"
    yield "    proxy_connect_timeout 1s;"
    yield "    # An order must not be sent twice."
    yield "    proxy_next_upstream off;"
    yield "    proxy_buffering off;"
    yield "    proxy_http_version 1.1;"
    for path, route in table.longest_first():
        for match in (f"= {path}", f"^~ {path}/"):
            yield from _location(match, route, table, listen)
    yield from _rest(listen)
    yield "}"


def _location(match: str, route: Route, table: Table, listen: Listen) -> Iterator[str]:
    yield f"    location {match} {{"
    if route.operators_only:
        yield from (f"        allow {network};" for network in listen.operator_networks)
        yield "        deny all;"
    if route.cors:
        yield from _cors(table)
    allowed = [*route.methods, *(["HEAD"] if "GET" in route.methods else [])]
    yield f"        if ($request_method !~ ^({'|'.join(allowed)})$) {{ return 405; }}"
    if route.bearer:
        yield "        if ($crossbook_bearer = 0) { return 401; }"
    yield f"        limit_req zone={route.name} burst={route.burst} nodelay;"
    yield f"        client_max_body_size {route.body_kib}k;"
    yield f"        proxy_read_timeout {route.timeout_s}s;"
    yield f"        proxy_send_timeout {route.timeout_s}s;"
    yield "        proxy_set_header Host $host;"
    yield "        proxy_set_header X-Forwarded-For $remote_addr;"
    yield "        proxy_set_header X-Forwarded-Proto $scheme;"
    yield "        proxy_set_header X-Request-Id $crossbook_request_id;"
    if route.websocket:
        yield "        proxy_set_header Upgrade $http_upgrade;"
        yield "        proxy_set_header Connection $crossbook_connection;"
    else:
        yield "        proxy_set_header Connection '';"
    yield f"        proxy_pass http://crossbook_{route.upstream};"
    yield "    }"


def _cors(table: Table) -> Iterator[str]:
    cors = table.cors
    # A header with an empty value is not sent: pages of other origins get none.
    headers = {
        "Access-Control-Allow-Origin": "$crossbook_origin",
        "Access-Control-Allow-Credentials": "$crossbook_credentials",
        "Access-Control-Expose-Headers": ", ".join(cors.exposed_headers),
        "Vary": "Origin",
    }
    preflight = {
        "Access-Control-Allow-Methods": ", ".join(cors.methods),
        "Access-Control-Allow-Headers": ", ".join(cors.headers),
        "Access-Control-Max-Age": str(cors.max_age_s),
    }
    yield from (f"        add_header {name} '{value}' always;" for name, value in headers.items())
    yield "        if ($request_method = OPTIONS) {"
    # What is added in an inner block replaces what is added around it.
    yield from (f"            add_header {name} '{value}' always;" for name, value in (headers | preflight).items())
    yield "            return 204;"
    yield "        }"


def _rest(listen: Listen) -> Iterator[str]:
    if listen.web_root is None:
        yield "    location / { return 404; }"
        return
    yield "    location / {"
    yield f"        root {listen.web_root};"
    yield "        try_files $uri /index.html;"
    yield "    }"
    for path in ("/internal", "/metrics", "/health"):
        yield f"    location {path} {{ return 404; }}"
