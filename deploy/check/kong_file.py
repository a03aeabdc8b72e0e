"""Kong's declarative file: as Kong's own schemas have it, whole in its references, and what the route table says."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import jsonschema_rs
import yaml

from deploy.check.tools import Failed
from deploy.routes.__main__ import made
from deploy.routes.table import RouteError, read

SCHEMAS: Final = Path(__file__).parent / "schemas"


def is_valid(root: Path) -> str:
    declared = yaml.safe_load((root / "kong" / "kong.yml").read_text())
    complaints = [*_against_schema(declared), *_references(declared)]
    if complaints:
        raise Failed("\n".join(f"kong.yml: {complaint}" for complaint in complaints))
    routes = [route for service in declared["services"] for route in service["routes"]]
    plugins = [*declared["plugins"], *(plugin for route in routes for plugin in route.get("plugins", []))]
    return f"{len(declared['services'])} services, {len(routes)} routes, {len(plugins)} plugins"


def is_made_from_the_table(root: Path) -> str:
    """Everything that is made from ``routes.toml`` is what the table says now."""
    try:
        files = made(read(root))
    except RouteError as error:
        raise Failed(str(error)) from error
    stale = [path for path, text in files.items() if not (root / path).exists() or (root / path).read_text() != text]
    if stale:
        raise Failed(f"not what the route table says (make routes): {', '.join(stale)}")
    return f"{len(files)} files as the table says"


def _against_schema(declared: Any) -> Iterator[str]:
    schema = json.loads((SCHEMAS / "kong.json").read_text())
    for error in jsonschema_rs.validator_for(schema).iter_errors(declared):
        yield f"{'/'.join(map(str, error.instance_path))}: {error.message[:400]}"


def _references(declared: dict[str, Any]) -> Iterator[str]:
    if not isinstance(declared.get("services"), list):
        return
    services = declared["services"]
    routes = [route for service in services for route in service.get("routes", [])]
    for what, named in (("service", services), ("route", routes)):
        names = [entity.get("name") for entity in named]
        yield from (f"{what} {name} is there twice" for name in sorted({n for n in names if names.count(n) > 1}))
    paths = [path for route in routes for path in route.get("paths", [])]
    yield from (f"path {path} leads to two routes" for path in sorted({p for p in paths if paths.count(p) > 1}))
    for path in paths:
        if path.removeprefix("~").startswith(("/internal", "/metrics", "/health")):
            yield f"path {path} is internal"
    consumers = {consumer.get("username") for consumer in declared.get("consumers", [])}
    for secret in declared.get("jwt_secrets", []):
        if secret.get("consumer") not in consumers:
            yield f"key {secret.get('key')} is of no consumer"
