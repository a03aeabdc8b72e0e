"""Breached passwords: those that everyone tries first.

The most common ones come with the zxcvbn package and are kept in memory. An operator who wants more names a file as
Have I Been Pwned offers it for download: one SHA-1 in capital hex digits a line, a colon and a count after it or not,
sorted. It is searched on disk, so its size does not matter.
"""

import os
from hashlib import sha1
from pathlib import Path
from typing import BinaryIO, Final

from zxcvbn.frequency_lists import FREQUENCY_LISTS  # type: ignore[import-untyped]

HASH_CHARS: Final = 40
LINE_BYTES_MAX: Final = 64


class BreachedPasswords:
    """Asks the list, then the file if there is one. Reading blocks, so ask from a thread."""

    def __init__(self, file: Path | None, *, chars_min: int) -> None:
        self._common = frozenset(word for word in FREQUENCY_LISTS["passwords"] if len(word) >= chars_min)
        self._file = file
        if file is not None:
            with file.open("rb") as opened:
                _check_format(opened, file)

    def __len__(self) -> int:
        """How many are kept in memory."""
        return len(self._common)

    def __contains__(self, password: str) -> bool:
        if password.lower() in self._common:
            return True
        if self._file is None:
            return False
        # What the file is made of; nothing is protected by it.
        wanted = sha1(password.encode(), usedforsecurity=False).hexdigest().upper().encode()
        with self._file.open("rb") as opened:
            return _holds(opened, wanted)


def _check_format(opened: BinaryIO, file: Path) -> None:
    first = opened.readline(LINE_BYTES_MAX)[:HASH_CHARS]
    if len(first) != HASH_CHARS or not set(first) <= set(b"0123456789ABCDEF"):
        raise ValueError(f"{file} must have one SHA-1 in capital hex digits a line, sorted")


def _holds(opened: BinaryIO, wanted: bytes) -> bool:
    """Search by halves. Between two steps ``wanted`` is in a line that starts in [low, high), if anywhere."""
    low, high = 0, opened.seek(0, os.SEEK_END)
    while low < high:
        middle = (low + high) // 2
        start = _line_start(opened, middle)
        if start >= high:
            high = middle
            continue
        opened.seek(start)
        line = opened.readline(LINE_BYTES_MAX)
        found = line[:HASH_CHARS]
        if found == wanted:
            return True
        if found < wanted:
            low = start + len(line)
        else:
            high = middle
    return False


def _line_start(opened: BinaryIO, position: int) -> int:
    """Where the first line that starts at ``position`` or later does."""
    if position == 0:
        return 0
    opened.seek(position - 1)
    opened.readline(LINE_BYTES_MAX)
    return opened.tell()
