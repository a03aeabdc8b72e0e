"""Signatures of webhooks: a receiver that knows the secret can tell that a request is ours, whole, and recent.

    Crossbook-Signature: t=1767225600,v1=5257a869…

``v1`` is the hex HMAC-SHA256, keyed with the webhook's secret, of the timestamp, a full stop and the body as sent.
"""

import hashlib
import hmac
import secrets
from typing import Final

SIGNATURE_HEADER: Final = "Crossbook-Signature"
SECRET_PREFIX: Final = "whsec_"  # noqa: S105  # What every secret begins with, not one.


def new_secret() -> str:
    return SECRET_PREFIX + secrets.token_urlsafe(32)


def signature(secret: str, body: bytes, now_s: int) -> str:
    digest = hmac.new(secret.encode(), b"%d." % now_s + body, hashlib.sha256).hexdigest()
    return f"t={now_s},v1={digest}"
