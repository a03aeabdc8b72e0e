"""Cursors: where in an account's history an event stands.

An account's events are numbered within each journal entry, from 0, in the order in which they are told. Sequence and
number together order all events of one account, name each of them for good, and do not depend on who listens.
"""

import re
from typing import Final, NamedTuple

# Comes after every event of its entry.
LAST: Final = 2**31 - 1
_written = re.compile(r"([0-9]{1,18})(?:-([0-9]{1,9}))?", re.ASCII)


class Cursor(NamedTuple):
    """Compares in the order of events."""

    sequence: int
    position: int


class NotACursor(ValueError):
    """The text is neither ``<sequence>`` nor ``<sequence>-<index>``."""


def parse_cursor(text: str) -> Cursor:
    """Read ``<sequence>-<index>``, an event; or ``<sequence>``, the last event of that entry."""
    match = _written.fullmatch(text)
    if match is None:
        raise NotACursor(text)
    return Cursor(int(match[1]), LAST if match[2] is None else int(match[2]))
