"""The outbox of a local run: what would be sent is a file instead, which a developer can open.

A file holds a whole mail, links and codes included, so only its owner may read it. The newest ``FILES_MAX`` are kept.
"""

import asyncio
import email
import re
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Final

from services.notifier.channels.outcome import Failed

FILES_MAX: Final = 500
_SUFFIX: Final = ".eml"
NAME: Final = re.compile(r"[0-9]{20}-[0-9a-f-]{36}\.eml", re.ASCII)
_link = re.compile(r"https?://[^\s<>\"]+")


@dataclass(frozen=True, slots=True)
class Kept:
    """One message in the outbox."""

    name: str
    at: datetime
    recipient: str
    subject: str
    text: str

    @property
    def links(self) -> list[str]:
        return _link.findall(self.text)


class Outbox:
    """A mailer, and what shows what it wrote."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    async def send(self, mail: EmailMessage) -> None:
        try:
            await asyncio.to_thread(self._write, mail)
        except OSError as error:
            raise Failed(f"the outbox cannot be written: {type(error).__name__}") from None

    async def close(self) -> None:
        """Nothing is kept open."""

    def newest(self, limit: int) -> list[Kept]:
        return [_read(path) for path in self._files()[:limit]]

    def find(self, name: str) -> Kept | None:
        path = self._directory / name
        return _read(path) if NAME.fullmatch(name) and path.is_file() else None

    def _write(self, mail: EmailMessage) -> None:
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        identifier = str(mail["Message-ID"]).strip("<>").partition("@")[0]
        # The same message again replaces itself.
        for earlier in self._directory.glob(f"*-{identifier}{_SUFFIX}"):
            earlier.unlink(missing_ok=True)
        moment_us = int(datetime.now().astimezone().timestamp() * 1_000_000)
        path = self._directory / f"{moment_us:020d}-{identifier}{_SUFFIX}"
        temporary = path.with_suffix(".new")
        temporary.touch(mode=0o600)
        temporary.write_bytes(mail.as_bytes())
        temporary.replace(path)
        for old in self._files()[FILES_MAX:]:
            old.unlink(missing_ok=True)

    def _files(self) -> list[Path]:
        """The newest first."""
        return sorted((path for path in self._directory.glob(f"*{_SUFFIX}")), reverse=True)


def _read(path: Path) -> Kept:
    mail = email.message_from_bytes(path.read_bytes(), policy=SMTP)
    assert isinstance(mail, EmailMessage), "the policy makes it so"
    body = mail.get_body(("plain",))
    text = body.get_content() if body is not None else ""
    return Kept(path.name, parsedate_to_datetime(str(mail["Date"])), str(mail["To"]), str(mail["Subject"]), text)
