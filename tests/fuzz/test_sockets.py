"""Hostile WebSocket clients: whatever they send is answered, refused or cut, and nobody else notices.

Frames are written by hand, because a client library would not send most of them. CROSSBOOK_FUZZ_EXAMPLES is how many
hostile connections are made.
"""

import base64
import contextlib
import json
import os
import random
import socket
import struct
import zlib

import httpx
import pytest
from websockets.sync.client import connect

from tests.running import RunningSystem

HOSTILES = int(os.environ.get("CROSSBOOK_FUZZ_EXAMPLES", "60"))
PATIENCE_S = 30.0
PATHS = ("/ws", "/stream?streams=btcusdt@trade", "/ws-api/v3")
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


def frame(opcode: int, payload: bytes, *, fin: bool = True, masked: bool = True, reserved: int = 0) -> bytes:
    head = bytes([fin << 7 | reserved << 4 | opcode])
    size = len(payload)
    length = bytes([size]) if size < 126 else b"\x7e" + struct.pack(">H", size) if size < 65_536 else b""
    length = length or b"\x7f" + struct.pack(">Q", size)
    if not masked:
        return head + length + payload
    mask = b"\x01\x02\x03\x04"
    return (
        head
        + bytes([length[0] | 0x80])
        + length[1:]
        + mask
        + bytes(byte ^ mask[index % 4] for index, byte in enumerate(payload))
    )


def hostile_bytes(chance: random.Random) -> bytes:
    """One of the ways in which a client can be wrong."""
    noise = chance.randbytes(chance.randint(0, 300))
    return chance.choice(
        [
            noise,
            frame(TEXT, noise),
            frame(BINARY, noise),
            frame(chance.choice((3, 4, 5, 6, 7, 11, 15)), noise[:100]),
            frame(TEXT, b"{}", masked=False),
            frame(TEXT, b"{}", reserved=chance.randint(1, 7)),
            frame(PING, b"x" * 126),
            frame(PING, b"x", fin=False),
            frame(CLOSE, b"\x00"),
            frame(CLOSE, struct.pack(">H", chance.choice((0, 999, 1005, 5000))) + b"\xff"),
            frame(TEXT, b"a", fin=False) + frame(TEXT, b"b"),
            frame(0, b"nothing was begun"),
            b"\x81\xff" + struct.pack(">Q", 2**63 - 1) + b"\x00" * 8,
            b"\x81\xff" + struct.pack(">Q", 2**64 - 1) + b"\x00" * 8,
            frame(TEXT, b"[" * 60_000),
            frame(TEXT, b"x" * 70_000),
            frame(PING, b"x" * 70_000),
            frame(CLOSE, struct.pack(">H", 1000) + b"x" * 200),
            frame(TEXT, b"{", fin=False) + b"".join(frame(0, b" ", fin=False) for _ in range(3_000)),
            frame(TEXT, b"", fin=False) + b"".join(frame(0, b"", fin=False) for _ in range(3_000)),
            frame(TEXT, b"", fin=False) + b"".join(frame(PING, b"") + frame(0, b"", fin=False) for _ in range(300)),
            frame(TEXT, zlib.compress(b" " * 10_000_000)[2:-4], reserved=4),
            b"".join(frame(PING, b"") for _ in range(500)),
            b"".join(frame(TEXT, b'{"id":1,"method":"ping"}') for _ in range(200)),
            frame(TEXT, json.dumps({"id": 1, "method": "SUBSCRIBE", "params": [noise.hex()] * 50}).encode()),
        ]
    )


def open_socket(port: int, path: str, offered: str = "") -> socket.socket:
    opened = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S)
    key = base64.b64encode(os.urandom(16)).decode()
    opened.sendall(
        f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n{offered}\r\n".encode()
    )
    answer = b""
    while b"\r\n\r\n" not in answer:
        received = opened.recv(1)
        assert received, "the server closed before it answered"
        answer += received
    assert answer.startswith(b"HTTP/1.1 101 "), answer
    assert b"sec-websocket-extensions" not in answer.lower()
    return opened


def be_hostile(port: int, chance: random.Random) -> None:
    """Send several wrong things, then go without a word. The server may cut the connection at any time."""
    opened = open_socket(port, chance.choice(PATHS))
    try:
        for _ in range(chance.randint(1, 4)):
            opened.sendall(hostile_bytes(chance))
        if chance.random() < 0.3:
            opened.settimeout(0.05)
            opened.recv(65_536)
    except OSError:
        pass
    finally:
        opened.close()


def test_nobody_notices_hostile_clients(system: RunningSystem) -> None:
    chance = random.Random(20_261_130)
    trading, restarts = system.pid("trading"), system.state.process("trading").restarts
    stream = f"ws://127.0.0.1:{system.port}/ws/btcusdt@depth"
    with connect(stream, open_timeout=PATIENCE_S, close_timeout=PATIENCE_S) as honest:
        for _ in range(HOSTILES):
            be_hostile(system.port, chance)
        honest.send(json.dumps({"id": 7, "method": "LIST_SUBSCRIPTIONS"}))
        while True:
            answer = json.loads(honest.recv(timeout=PATIENCE_S))
            if answer.get("id") == 7:
                assert answer["result"] == ["btcusdt@depth"]
                break
    assert httpx.get(f"{system.base_url}/api/v3/ping", timeout=PATIENCE_S, trust_env=False).status_code == 200
    assert system.pid("trading") == trading
    assert system.state.process("trading").restarts == restarts


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (frame(TEXT, b"\xff\xfe"), {1007}),
        (frame(TEXT, b"{}", masked=False), {1002}),
        (frame(TEXT, b"{}", reserved=4), {1002}),
        (frame(0, b"nothing was begun"), {1002}),
        (frame(PING, b"x" * 126), {1002}),
        (b"\x81\xff" + struct.pack(">Q", 2**40) + b"\x00" * 4, {1009}),
        (frame(TEXT, b"x" * 60_000, fin=False) + b"\x80\xfe" + struct.pack(">H", 10_000) + b"\x00" * 4, {1009}),
        (frame(TEXT, b"", fin=False) + b"".join(frame(0, b"", fin=False) for _ in range(2_000)), {1008}),
    ],
    ids=[
        *("text that is no text", "unmasked", "reserved bit", "continues nothing", "long ping", "a terabyte"),
        *("too long in parts", "empty parts without end"),
    ],
)
def test_a_broken_frame_ends_its_connection(system: RunningSystem, sent: bytes, code: set[int]) -> None:
    opened = open_socket(system.port, "/ws")
    opened.sendall(sent)
    received = b""
    while chunk := opened.recv(4_096):
        received += chunk
    opened.close()
    assert received[0] == 0x80 | CLOSE
    assert struct.unpack(">H", received[2:4])[0] in code


def test_nobody_is_sent_compressed_nor_may_send_so(system: RunningSystem) -> None:
    """So a kilobyte cannot become ten megabytes here."""
    opened = open_socket(system.port, "/ws", "Sec-WebSocket-Extensions: permessage-deflate\r\n")
    opened.sendall(frame(TEXT, zlib.compress(b" " * 10_000_000)[2:-4], reserved=4))
    head = opened.recv(4)
    opened.close()
    assert (head[0], struct.unpack(">H", head[2:4])[0]) == (0x80 | CLOSE, 1002)


def test_who_asks_and_never_reads_is_cut_or_has_to_wait(system: RunningSystem) -> None:
    """To wait until it answers no ping, which takes longer than this test: what counts is that nobody keeps it all."""
    opened = open_socket(system.port, "/ws")
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    opened.settimeout(5)
    questions = frame(TEXT, b'{"id":1,"method":"LIST_SUBSCRIPTIONS"}') * 1_000
    sent = 0
    with contextlib.suppress(ConnectionError, TimeoutError):
        while sent < 2_000:
            opened.sendall(questions)
            sent += 1
    opened.close()
    assert sent < 2_000
