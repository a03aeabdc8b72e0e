"""Which form of the core runs: compiled to C ahead of time, or the same modules as plain Python.

``python -m services.compiled.build`` compiles ``modules()`` with mypyc into a directory named after a hash of all that
the result depends on: their source, the vocabulary they are compiled against, the way they are compiled, and this
Python. Only the directory of the present hash is ever imported from, so a build of older source is never run: after an
edit the core is plain Python until it is built again. Both forms give the same events, bytes and hashes.

CROSSBOOK_CORE=plain asks for plain Python; CROSSBOOK_CORE=compiled refuses to start without a build.
"""

import hashlib
import os
import sys
from collections.abc import Sequence
from functools import cache
from importlib.abc import MetaPathFinder
from importlib.machinery import EXTENSION_SUFFIXES, ExtensionFileLoader, ModuleSpec
from importlib.util import spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Final

VARIABLE: Final = "CROSSBOOK_CORE"
COMPILED: Final = "compiled"
PLAIN: Final = "plain"

ROOT: Final = Path(__file__).resolve().parents[2]
BUILDS: Final = Path(__file__).resolve().parent / "builds"
SUFFIX: Final = EXTENSION_SUFFIXES[0]
# All modules are compiled into one library, so that they call each other directly; each has a small one that opens it.
GROUP: Final = "crossbook_core"
LIBRARY: Final = f"{GROUP}__mypyc"
# The snapshot is made of msgspec structs, which stay Python classes.
_NOT_COMPILED: Final = ("__init__", "snapshot")


class CoreNotCompiled(ImportError):
    """CROSSBOOK_CORE asks for a compiled core, and there is none of these sources."""


def modules() -> dict[str, Path]:
    """The source of every module that is compiled, by its name: the core and the arithmetic it stands on."""
    core = sorted((ROOT / "services" / "engine" / "core").glob("*.py"))
    found = {f"services.engine.core.{source.stem}": source for source in core if source.stem not in _NOT_COMPILED}
    return {**found, "services.domain.money": ROOT / "services" / "domain" / "money.py"}


def key() -> str:
    """The hash of everything that a build depends on."""
    digest = hashlib.sha256(f"{SUFFIX} {sys.version}".encode())
    here = sorted(Path(__file__).resolve().parent.glob("*.py"))
    for source in [*modules().values(), *sorted((ROOT / "services" / "domain").glob("*.py")), *here]:
        content = source.read_bytes()
        digest.update(f"{source.name} {len(content)} ".encode())
        digest.update(content)
    return digest.hexdigest()[:32]


def build_directory() -> Path:
    return BUILDS / key()


@cache
def directory() -> Path | None:
    """Where this process imports the core from, None for plain Python; decided once, at its first module."""
    wanted = os.environ.get(VARIABLE, "")
    if wanted not in ("", COMPILED, PLAIN):
        raise CoreNotCompiled(f"{VARIABLE} must be {COMPILED}, {PLAIN} or empty, not {wanted!r}")
    if wanted == PLAIN:
        return None
    build = build_directory()
    if build.is_dir():
        return build
    if wanted == COMPILED:
        raise CoreNotCompiled(f"{VARIABLE}={COMPILED}, but these sources are not built: make compiled-core")
    return None


def form() -> str:
    """What this process runs: ``compiled`` or ``plain``."""
    return PLAIN if directory() is None else COMPILED


class _Finder(MetaPathFinder):
    """Finds the compiled form of the core's modules: of all or of none. One that cannot be opened is an error."""

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None = None,  # noqa: ARG002
        target: ModuleType | None = None,  # noqa: ARG002
    ) -> ModuleSpec | None:
        package, _, module = fullname.rpartition(".")
        in_core = package == "services.engine.core" and module not in _NOT_COMPILED
        if not in_core and fullname not in ("services.domain.money", LIBRARY):
            return None
        build = directory()
        if build is None:
            return None
        library = build.joinpath(*fullname.split(".")).with_suffix(SUFFIX)
        return spec_from_file_location(fullname, library, loader=ExtensionFileLoader(fullname, str(library)))


def install() -> None:
    """Called before anything of the core can be imported."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())
