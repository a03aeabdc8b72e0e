"""``python -m deploy.routes``: write everything that is made from the table. ``--check`` only says what is out of date.

``python -m deploy.routes kong --jwks URL`` prints Kong's file with the keys that are published there: auth's, and with
another ``--jwks`` those of the issuer of external tokens.
"""

import argparse
import base64
import json
import os
import sys
import time
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import yaml
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from deploy.routes import chart, kong, nginx
from deploy.routes.table import SERVICE_PORT, RouteError, Table, read

ROOT: Final = Path(__file__).parents[2]
# What compose is reached by; an installation names its own.
LOCAL_ORIGINS: Final = ("http://localhost:8080", "http://127.0.0.1:8080")
LOCAL_OPERATORS: Final = ("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")
JWKS_WAIT_S: Final = 120
JWKS_TIMEOUT_S: Final = 5
ALGORITHMS: Final = {"EC": "ES256", "RSA": "RS256"}
MADE: Final = "# Made from deploy/routes/routes.toml by `make routes`: change that.\n"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m deploy.routes")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if something is out of date")
    parser.add_argument("--root", type=Path, default=ROOT)
    commands = parser.add_subparsers(dest="command")
    printing = commands.add_parser("kong", help="print Kong's file with keys")
    printing.add_argument("--jwks", required=True, action="append", help="where an issuer publishes its keys")
    chosen = parser.parse_args(arguments)
    try:
        table = read(chosen.root)
    except RouteError as error:
        print(error, file=sys.stderr)
        return 1
    if chosen.command == "kong":
        keys = [key for url in chosen.jwks for key in _keys(url)]
        print(kong_file(table, keys), end="")
        return 0
    stale = [path for path, text in made(table).items() if not _is(chosen.root / path, text)]
    for path in stale:
        print(path)
        if not chosen.check:
            (chosen.root / path).parent.mkdir(parents=True, exist_ok=True)
            (chosen.root / path).write_text(made(table)[path])
    return 1 if stale and chosen.check else 0


def made(table: Table) -> dict[str, str]:
    """Every file that is made from the table, by its path in the repository."""
    listen = nginx.Listen(
        "8080",
        {name: f"{name}:{SERVICE_PORT}" for name in table.upstreams()},
        LOCAL_ORIGINS,
        LOCAL_OPERATORS,
        "/usr/share/nginx/html",
    )
    return {
        "kong/kong.yml": kong_file(table, []),
        "deploy/nginx/crossbook.conf": nginx.configure(table, listen),
        "helm/crossbook/files/routes.yaml": MADE + dump(chart.routes(table)),
    }


def kong_file(table: Table, keys: Sequence[kong.Key]) -> str:
    declared = kong.declare(table, origins=LOCAL_ORIGINS, operator_networks=_operators(), keys=keys)
    return MADE + dump(declared)


def dump(value: Any) -> str:
    return yaml.dump(value, Dumper=_Plain, sort_keys=False, width=120)


class _Plain(yaml.SafeDumper):
    """Without references between equal parts."""

    def ignore_aliases(self, _data: Any) -> bool:
        return True


def _operators() -> tuple[str, ...]:
    given = os.environ.get("CROSSBOOK_OPERATOR_NETWORKS", "")
    return tuple(filter(None, map(str.strip, given.split(",")))) or LOCAL_OPERATORS


def _keys(url: str) -> list[kong.Key]:
    """Waits until the issuer answers."""
    deadline_s = time.monotonic() + JWKS_WAIT_S
    while True:
        try:
            with urllib.request.urlopen(url, timeout=JWKS_TIMEOUT_S) as answer:
                published = json.load(answer)["keys"]
        except OSError:
            if time.monotonic() > deadline_s:
                raise
            time.sleep(1)
        else:
            return [kong.Key(key["kid"], ALGORITHMS[key["kty"]], _pem(key)) for key in published]


def _pem(key: Mapping[str, str]) -> str:
    public: ec.EllipticCurvePublicKey | rsa.RSAPublicKey
    if key["kty"] == "EC":
        public = ec.EllipticCurvePublicNumbers(_number(key["x"]), _number(key["y"]), ec.SECP256R1()).public_key()
    else:
        public = rsa.RSAPublicNumbers(_number(key["e"]), _number(key["n"])).public_key()
    return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def _number(text: str) -> int:
    return int.from_bytes(base64.urlsafe_b64decode(text + "=="), "big")


def _is(path: Path, text: str) -> bool:
    return path.exists() and path.read_text() == text


if __name__ == "__main__":
    sys.exit(main())
