"""The ``crossbook`` command for shell scripts, run in one process: starting Python anew takes a second each time."""

import contextlib
import json
import os
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from typer.testing import CliRunner

from services.local.cli import app
from services.local.internal import NotDone

# What the shell function runs: it hands its words over, and returns what came of them.
_CLIENT = (
    "import json, os, sys, urllib.request as u; "
    "r = json.load(u.urlopen(u.Request(sys.argv[1], json.dumps([os.getcwd(), *sys.argv[2:]]).encode()))); "
    "sys.stdout.write(r[1]); sys.exit(r[0])"
)
_one_at_a_time = threading.Lock()


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        directory, *words = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with _one_at_a_time, contextlib.chdir(directory):
            code, output = _run(words)
        content = json.dumps([code, output]).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        """Nothing to say."""


def _run(words: list[str]) -> tuple[int, str]:
    result = CliRunner().invoke(app, words)
    refused = f"crossbook: {result.exception}" if isinstance(result.exception, NotDone) else ""
    return result.exit_code, result.output + refused


@contextlib.contextmanager
def crossbook_function(directory: str) -> Iterator[str]:
    """Yield the definition of a shell function ``crossbook`` for the exchange in ``directory``."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    before = os.environ.get("CROSSBOOK_DATA_DIR")
    os.environ["CROSSBOOK_DATA_DIR"] = directory
    try:
        url = f"http://127.0.0.1:{server.server_port}"
        yield f"crossbook() {{ '{sys.executable}' -I -S -c '{_CLIENT}' {url} \"$@\"; }}"
    finally:
        if before is None:
            del os.environ["CROSSBOOK_DATA_DIR"]
        else:
            os.environ["CROSSBOOK_DATA_DIR"] = before
        server.shutdown()
        thread.join()
        server.server_close()
