"""How a notice that has been stored reaches whoever is signed in right now: the channel in Redis and its messages.

Best effort: whoever misses one finds it in the inbox.
"""

from typing import Any, Final

import msgspec

NOTICES_CHANNEL: Final = "crossbook:notices"


class NoticeCopy(msgspec.Struct, frozen=True, rename="camel"):
    """``title`` is one line in English; ``data`` is as in the inbox and holds no secret."""

    notice_id: str
    account_id: int
    kind: str
    occurred_us: int
    title: str
    data: dict[str, Any]


notice_encoder: Final = msgspec.json.Encoder()
notice_decoder: Final = msgspec.json.Decoder(NoticeCopy)
