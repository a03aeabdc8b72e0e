"""Messages: what is sent, rendered from ``templates/``: the texts of each kind, and one layout each for text and HTML.

What users write (labels, browser names) is only ever data, never a template, and templates run in a sandbox. Texts are
rendered plain and escaped once, by the HTML layout. No line of a text can bring a line break or an invisible character
with it, so nothing can add a header, a paragraph or a turned-around link.
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from importlib import resources
from typing import Any, Final

from jinja2 import ChainableUndefined, FunctionLoader, Template
from jinja2.sandbox import ImmutableSandboxedEnvironment

from services.notifier.kinds import GROUPS

FIELD_CHARS_MAX: Final = 300
TITLE_CHARS_MAX: Final = 150
SMS_CHARS_MAX: Final = 300
_TEMPLATES: Final = resources.files("services.notifier") / "templates"
# Control characters, zero-width ones, those that turn the direction of text, and halves of surrogate pairs.
_unprintable = re.compile(r"[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]+")


@dataclass(frozen=True, slots=True)
class Message:
    """One message in every form that channels need. It may hold a token, so it is never printed."""

    title: str = field(repr=False)
    text: str = field(repr=False)
    html: str = field(repr=False)
    short: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class _Texts:
    title: Template
    lines: tuple[Template, ...]
    action: Template | None
    path: Template | None


class Messages:
    """``base_url`` is where the links lead, ``venue`` the name of the exchange."""

    def __init__(self, base_url: str, venue: str) -> None:
        self._base_url = base_url.rstrip("/")
        self._venue = _clean(venue)
        self._layouts = _environment(autoescape=True)
        plain = _environment(autoescape=False)
        texts = tomllib.loads((_TEMPLATES / "messages.toml").read_text())
        self._footer = plain.from_string(texts.pop("footer"))
        self._texts = {kind: _compiled(plain, entry) for kind, entry in texts.items()}
        assert self._texts.keys() == GROUPS.keys(), "every kind has its texts"
        self._text, self._html = plain.get_template("message.txt"), self._layouts.get_template("message.html")

    def title(self, kind: str, data: Mapping[str, Any]) -> str:
        """The one line that says it all; for kinds without a token."""
        return self._line(self._texts[kind].title, self._fields(data))[:TITLE_CHARS_MAX]

    def text(self, kind: str, data: Mapping[str, Any], occurred_at: datetime) -> str:
        """What the inbox says below the title."""
        fields = self._fields(data) | {"occurred": _time(occurred_at)}
        return " ".join(filter(None, (self._line(line, fields) for line in self._texts[kind].lines)))

    def render(self, kind: str, data: Mapping[str, Any], occurred_at: datetime, token: str | None = None) -> Message:
        texts = self._texts[kind]
        fields = self._fields(data) | {"occurred": _time(occurred_at), "token": _clean(token or "")}
        title = self._line(texts.title, fields)[:TITLE_CHARS_MAX]
        lines = list(filter(None, (self._line(line, fields) for line in texts.lines)))
        link = self._base_url + self._line(texts.path, fields) if texts.path is not None else ""
        context = {
            "title": title,
            "lines": lines,
            "action": self._line(texts.action, fields) if texts.action is not None else "",
            "link": link,
            "footer": self._line(self._footer, fields),
            "venue": self._venue,
        }
        short = f"{self._venue}: {title}"[:SMS_CHARS_MAX]
        return Message(title, self._text.render(context), self._html.render(context), short)

    def _fields(self, data: Mapping[str, Any]) -> dict[str, Any]:
        return {**{name: _cleaned(value) for name, value in data.items()}, "venue": self._venue}

    @staticmethod
    def _line(template: Template, fields: Mapping[str, Any]) -> str:
        return _clean(template.render(fields)).strip()


def _environment(*, autoescape: bool) -> ImmutableSandboxedEnvironment:
    environment = ImmutableSandboxedEnvironment(
        autoescape=autoescape,
        undefined=ChainableUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        loader=FunctionLoader(lambda name: (_TEMPLATES / name).read_text()),
    )
    environment.filters["plain"] = _plain
    return environment


def _compiled(environment: ImmutableSandboxedEnvironment, entry: Mapping[str, Any]) -> _Texts:
    action = entry.get("action")
    return _Texts(
        environment.from_string(entry["title"]),
        tuple(environment.from_string(line) for line in entry["lines"]),
        environment.from_string(action["label"]) if action else None,
        environment.from_string(action["path"]) if action else None,
    )


def _plain(amount: object) -> str:
    """``1.50000000`` is 1.5 to people."""
    text = str(amount)
    return text.rstrip("0").rstrip(".") if "." in text else text


def _cleaned(value: Any) -> Any:
    if isinstance(value, str):
        return _clean(value)[:FIELD_CHARS_MAX]
    if isinstance(value, list):
        return [_cleaned(one) for one in value]
    return value


def _clean(text: str) -> str:
    return _unprintable.sub(" ", text)


def _time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S}"


def page(name: str, **context: Any) -> str:
    """Render a page of this service's own; everything in it is escaped."""
    return _environment(autoescape=True).get_template(name).render(context)
