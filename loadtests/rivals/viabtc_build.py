"""``python -m loadtests.rivals.viabtc_build``: fetch and build ViaBTC's exchange server into .tools/viabtc.

It is written for Ubuntu 16.04; with today's compiler it needs -fcommon, and it is built with -O2, which its makefile
leaves out. It wants libmpdec, which Debian no longer has: that of PyPI's m3-cdecimal is the same library. On Debian, as
root: ``apt install build-essential libev-dev libjansson-dev libmariadb-dev libmariadb-dev-compat librdkafka-dev
libcurl4-openssl-dev libssl-dev zlib1g-dev mariadb-server``.
"""

import hashlib
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Annotated, Final

import typer

from loadtests.conditions import ROOT

REPOSITORY: Final = "https://github.com/viabtc/viabtc_exchange_server"
COMMIT: Final = "2289c53f7d181b6c4ede1bd82edac6e1386d8434"
DIRECTORY: Final = ROOT / ".tools" / "viabtc"
SOURCE: Final = DIRECTORY / "source"
MATCHENGINE: Final = SOURCE / "matchengine" / "matchengine.exe"
ACCESSHTTP: Final = SOURCE / "accesshttp" / "accesshttp.exe"

_LIBMPDEC: Final = ("m3-cdecimal", "2.3", "m3-cdecimal-2.3.tar.gz")
_LIBMPDEC_SHA256: Final = "55406e987fc6fabf21925d1496371d1ae55e61f66b62f2eaa5e152d0e56f3771"
_FLAGS: Final = "-O2 -g -rdynamic -std=gnu99 -fcommon -w -DCONFIG_64 -DASM"
_LIBRARIES: Final = "-lev -ljansson -lmpdec -lmariadb -lz -lrdkafka -lssl -lcrypto -lhiredis -lm -lpthread -ldl"


class CannotBuild(Exception):
    """Something is not there or does not compile; the message says what."""


def build(
    repository: Annotated[
        str, typer.Option("--source", help="A clone on this machine, instead of fetching one.")
    ] = REPOSITORY,
) -> None:
    """Fetch ViaBTC's exchange server (from GitHub) and libmpdec (from PyPI), and compile what takes orders."""
    try:
        _build(repository)
    except CannotBuild as error:
        typer.echo(f"ViaBTC's exchange server cannot be built here: {error}", err=True)
        raise typer.Exit(1) from error


def _build(repository: str) -> None:
    shutil.rmtree(DIRECTORY, ignore_errors=True)
    include, library = DIRECTORY / "include", DIRECTORY / "lib"
    for directory in (include / "hiredis", library):
        directory.mkdir(parents=True)
    _run("git", "clone", "--quiet", repository, SOURCE)
    _run("git", "-C", SOURCE, "checkout", "--quiet", COMMIT)
    decimals = _fetch_libmpdec()
    _run("./configure", cwd=decimals)
    _run("make", "libmpdec.a", cwd=decimals)
    for name in ("mpdecimal.h", "mptypes.h"):
        shutil.copy(decimals / name, include)
    shutil.copy(decimals / "libmpdec.a", library)
    redis = SOURCE / "depends" / "hiredis"
    _run("make", "static", cwd=redis)
    for header in redis.glob("*.h"):
        shutil.copy(header, include / "hiredis")
    shutil.copy(redis / "libhiredis.a", library)
    flags = f"CFLAGS={_FLAGS} -I{include}"
    for name in ("network", "utils"):
        _run("make", "-C", SOURCE / name, f"{flags} -I../network")
    libraries = f"LIBS=-L../utils -lutils -L../network -lnetwork -L{library} {_LIBRARIES}"
    for program in (MATCHENGINE, ACCESSHTTP):
        _run("make", "-C", program.parent, flags, libraries)


def _fetch_libmpdec() -> Path:
    name, version, file = _LIBMPDEC
    download = ("download", "--quiet", "--no-deps", "--no-binary", ":all:", "--dest", DIRECTORY, f"{name}=={version}")
    _run(sys.executable, "-m", "pip", *download)
    archive = DIRECTORY / file
    if hashlib.sha256(archive.read_bytes()).hexdigest() != _LIBMPDEC_SHA256:
        raise CannotBuild(f"{file} is not what it was")
    with tarfile.open(archive) as opened:
        opened.extractall(DIRECTORY, filter="data")
    return DIRECTORY / file.removesuffix(".tar.gz")


def _run(*command: str | Path, cwd: Path | None = None) -> None:
    try:
        done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    except OSError as error:
        raise CannotBuild(str(error)) from error
    if done.returncode:
        raise CannotBuild(f"{' '.join(map(str, command))}\n{done.stdout[-1500:]}{done.stderr[-1500:]}")


if __name__ == "__main__":
    typer.run(build)
