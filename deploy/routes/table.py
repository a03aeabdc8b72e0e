"""Reading ``routes.toml``: strict, so that a mistyped condition is an error and not an open door."""

import re
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec

TABLE: Final = Path("deploy") / "routes" / "routes.toml"
# Every process listens there; containers have addresses of their own.
SERVICE_PORT: Final = 8000

Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
Upstream = Literal["trading", "auth", "notifier", "backoffice"]
Positive = Annotated[int, msgspec.Meta(ge=1)]

_segments = re.compile(r"(/[a-z0-9.-]+)+")


class RouteError(Exception):
    """The table contradicts itself or its form."""


class Cors(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    methods: tuple[Method, ...]
    headers: tuple[str, ...]
    exposed_headers: tuple[str, ...]
    max_age_s: Positive


class Route(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The fields are described in ``routes.toml``."""

    name: str
    paths: tuple[str, ...]
    upstream: Upstream
    methods: tuple[Method, ...]
    body_kib: Positive
    requests_per_s: Positive
    burst: Positive
    timeout_s: Positive
    websocket: bool = False
    cors: bool = False
    bearer: bool = False
    operators_only: bool = False


class Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    cors: Cors
    route: tuple[Route, ...]

    def upstreams(self) -> list[str]:
        return sorted({route.upstream for route in self.route})

    def longest_first(self) -> list[tuple[str, Route]]:
        """Every path with its route, such that the first match is the right one."""
        paths = [(path, route) for route in self.route for path in route.paths]
        return sorted(paths, key=lambda pair: (-len(pair[0]), pair[0]))


def read(root: Path) -> Table:
    try:
        table = msgspec.toml.decode((root / TABLE).read_bytes(), type=Table)
    except msgspec.MsgspecError as error:
        raise RouteError(f"{TABLE}: {error}") from error
    _check(table)
    return table


def _check(table: Table) -> None:
    names = [route.name for route in table.route]
    paths = [path for route in table.route for path in route.paths]
    for what, values in (("name", names), ("path", paths)):
        twice = {value for value in values if values.count(value) > 1}
        if twice:
            raise RouteError(f"{TABLE}: {what} {', '.join(sorted(twice))} is there twice")
    for path in paths:
        if not _segments.fullmatch(path):
            raise RouteError(f"{TABLE}: {path!r} is not a path of whole segments")
    for route in table.route:
        if route.operators_only and not route.bearer:
            raise RouteError(f"{TABLE}: {route.name} is for operators, but not for those with a token")
        if route.burst < route.requests_per_s:
            raise RouteError(f"{TABLE}: {route.name} lets fewer come at once than in a second")
