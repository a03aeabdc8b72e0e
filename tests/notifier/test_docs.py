"""The receiver's snippet of docs/notifications.md accepts what is sent, and nothing else."""

import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from services.notifier.channels.signatures import new_secret, signature

DOCUMENT = Path(__file__).parents[2] / "docs" / "notifications.md"
BODY = b'{"noticeId": "1"}'


@pytest.fixture(scope="module")
def is_from_crossbook() -> Callable[..., bool]:
    [snippet] = re.findall(r"^```python\n(.*?)^```$", DOCUMENT.read_text(), re.MULTILINE | re.DOTALL)
    names: dict[str, Callable[..., bool]] = {}
    exec(snippet, names)
    return names["is_from_crossbook"]


def test_the_documented_check(is_from_crossbook: Callable[..., bool]) -> None:
    secret, now_s = new_secret(), int(time.time())
    header = signature(secret, BODY, now_s)
    assert is_from_crossbook(secret, header, BODY)
    assert not is_from_crossbook(secret, header, BODY + b" ")
    assert not is_from_crossbook(new_secret(), header, BODY)
    assert not is_from_crossbook(secret, signature(secret, BODY, now_s - 3_600), BODY)
    moved = header.replace(f"t={now_s}", f"t={now_s + 1}")
    for forged in (moved, "", "t=,v1=", "v1=" + header, f"t={now_s}", "t=x,v1=y"):
        assert not is_from_crossbook(secret, forged, BODY)
