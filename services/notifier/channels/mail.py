"""A mail as MIME: text and HTML, with headers that nothing in a message can add to."""

from datetime import UTC, datetime
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr
from typing import Protocol

from services.notifier.channels.outcome import Refused
from services.notifier.rendering import Message


class Mailer(Protocol):
    """Sends one mail, or raises."""

    async def send(self, mail: EmailMessage) -> None: ...

    async def close(self) -> None: ...


def mail(message: Message, sender: str, recipient: str, message_id: str) -> EmailMessage:
    """``message_id`` is the same at every attempt, so that a mail that arrives twice is shown once."""
    name, from_address = parseaddr(sender)
    made = EmailMessage(policy=SMTP)
    made["From"] = Address(name, addr_spec=from_address)
    try:
        made["To"] = Address(addr_spec=recipient)
    except (ValueError, IndexError, MessageError) as error:
        raise Refused("the address is none that mail can go to") from error
    made["Subject"] = message.title
    made["Date"] = format_datetime(datetime.now(UTC))
    made["Message-ID"] = f"<{message_id}@{from_address.rpartition('@')[2] or 'localhost'}>"
    made["Auto-Submitted"] = "auto-generated"
    made.set_content(message.text)
    made.add_alternative(message.html, subtype="html")
    return made
