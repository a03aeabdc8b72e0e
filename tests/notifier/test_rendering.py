"""Nothing that a user or a client wrote becomes markup, a header, a template or a line of its own."""

import email
from datetime import UTC, datetime
from email.policy import SMTP

import pytest

from services.notifier.channels.mail import mail
from services.notifier.channels.outcome import Refused
from services.notifier.kinds import GROUPS
from services.notifier.rendering import SMS_CHARS_MAX, TITLE_CHARS_MAX, Messages

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
MESSAGES = Messages("https://exchange.example/", "Crossbook")
HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "{{ 7*7 }}{% for x in ().__class__.__base__.__subclasses__() %}{{ x }}{% endfor %}",
    "bot\r\nBcc: everyone@example.com\r\n\r\nforged body",
    "\u202egnp.exe\u200b\x00\x1b[31m",
    "x" * 10_000,
    "javascript:alert(1)",
    "\ud800 half a pair",
]


@pytest.mark.parametrize("kind", GROUPS)
def test_every_kind_has_a_message_even_for_data_it_does_not_know(kind: str) -> None:
    message = MESSAGES.render(kind, {}, NOW, "a-token")
    assert message.title and len(message.title) <= TITLE_CHARS_MAX and len(message.short) <= SMS_CHARS_MAX
    assert message.title in message.text
    assert "None" not in message.text and "{{" not in message.text


@pytest.mark.parametrize("hostile", HOSTILE)
def test_hostile_names_stay_names(hostile: str) -> None:
    data = {"label": hostile, "userAgent": hostile, "address": hostile, "permissions": [hostile]}
    for kind in ("API_KEY_CREATED", "NEW_DEVICE_LOGIN", "SECURITY_NOTICE"):
        message = MESSAGES.render(kind, data | {"what": hostile}, NOW)
        assert "<script" not in message.html and "<img" not in message.html
        assert "49" not in message.text and "class 'object'" not in message.text
        assert not any(line.startswith(("Bcc", "forged")) for line in message.text.splitlines())
        for hidden in "\u202e\u200b\x00\x1b":
            assert hidden not in message.text + message.html + message.title
        sent = mail(message, "Crossbook <no-reply@exchange.example>", "ada@example.com", "id-1")
        read = email.message_from_bytes(sent.as_bytes(), policy=SMTP)
        assert read["Bcc"] is None
        assert read["To"] == "ada@example.com"
        assert len(read.get_all("Subject") or []) == 1


def test_a_token_is_escaped_into_its_link() -> None:
    message = MESSAGES.render("CONFIRM_EMAIL", {}, NOW, 'a/b?c&d"<')
    assert "https://exchange.example/confirm-email#token=a/b%3Fc%26d%22%3C" in message.text
    assert '"<' not in message.html.split("token=")[1].split('"')[0]


def test_amounts_are_written_for_people() -> None:
    data = {"asset": "BTC", "amount": "1.50000000", "fee": "10.00000000", "status": "HELD"}
    message = MESSAGES.render("WITHDRAWAL", data, NOW)
    assert message.title == "Withdrawal requested: 1.5 BTC"
    assert "Fee: 10 BTC. Time: 2026-01-02 03:04:05." in message.text


@pytest.mark.parametrize("address", ["", "no at", "a@b\r\nBcc: c@d", "a@b, c@d", "<a@b>"])
def test_mail_goes_to_one_address_or_nowhere(address: str) -> None:
    with pytest.raises(Refused):
        mail(MESSAGES.render("DEPOSIT", {}, NOW), "Crossbook <no-reply@exchange.example>", address, "id-1")
