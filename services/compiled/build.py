"""Compile the core: ``python -m services.compiled.build`` (``--if-possible``: say why not, and succeed all the same).

Needs mypy, setuptools and a C compiler; what runs needs none of them. The build is put in place in one step, and
builds of other sources are removed then.
"""

import argparse
import contextlib
import io
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Final

from services.compiled import BUILDS, GROUP, ROOT, build_directory, modules

_OPTIMIZATION: Final = "2"


class NotBuilt(Exception):
    """What kept the core from being compiled, for people."""


def build() -> Path:
    """Compile the present sources unless that is done; return where."""
    target = build_directory()
    if target.is_dir():
        return target
    if not finds_a_compiler():
        raise NotBuilt("there is no C compiler here")
    BUILDS.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".new-", dir=BUILDS) as name:
        work = Path(name)
        _compile(work / "library", work / "temporary")
        if build_directory() != target:
            raise NotBuilt("the sources changed meanwhile")
        with contextlib.suppress(OSError):
            # Fails if another build was faster, whose result is the same.
            (work / "library").rename(target)
    for other in BUILDS.iterdir():
        if other != target and not other.name.startswith(".new-"):
            shutil.rmtree(other, ignore_errors=True)
    return target


def finds_a_compiler() -> bool:
    return any(map(shutil.which, (os.environ.get("CC", "cc"), "gcc", "clang")))


def _compile(library: Path, temporary: Path) -> None:
    try:
        from mypyc.build import mypycify
        from setuptools import Distribution  # type: ignore[import-untyped]
    except ImportError as error:
        raise NotBuilt(f"{error.name} is not installed") from error
    sources = [str(source.relative_to(ROOT)) for source in modules().values()]
    said = io.StringIO()
    with contextlib.chdir(ROOT), contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        # Without the project's configuration, which is not everywhere where this runs.
        options = ["--config-file=", f"--cache-dir={temporary / 'cache'}"]
        try:
            extensions = mypycify(
                [*options, *sources],
                opt_level=_OPTIMIZATION,
                debug_level="0",
                group_name=GROUP,
                target_dir=str(temporary / "c"),
            )
            distribution = Distribution({"name": GROUP, "ext_modules": extensions})
            command = distribution.get_command_obj("build_ext")
            command.build_lib, command.build_temp = str(library), str(temporary)
            command.ensure_finalized()
            command.run()
        except SystemExit as error:
            raise NotBuilt(f"mypyc refused the sources:\n{said.getvalue()}{error}") from error
        except Exception as error:
            raise NotBuilt(f"{error}\n{said.getvalue()[-2_000:]}") from error


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--if-possible", action="store_true")
    arguments = parser.parse_args()
    try:
        if not build_directory().is_dir():
            sys.stderr.write("Compiling the core (half a minute, whenever it has changed)\n")
        build()
    except NotBuilt as error:
        return _not_built(str(error), arguments.if_possible)
    return 0


def _not_built(why: str, is_fine: bool) -> int:
    consequence = "It runs as plain Python, slower and with the same results."
    sys.stderr.write(f"The core could not be compiled: {why}. {consequence if is_fine else ''}\n")
    return 0 if is_fine else 1


if __name__ == "__main__":
    sys.exit(main())
