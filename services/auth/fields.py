"""The fields of what clients send: each bounded and checked here, once, and described for OpenAPI."""

import ipaddress
import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final

from pydantic import (
    AfterValidator,
    AwareDatetime,
    Field,
    PlainSerializer,
    PlainValidator,
    SecretStr,
    WithJsonSchema,
)

from services.auth.accounts import EMAIL_CHARS_MAX, normalise_email
from services.auth.api_keys import LABEL_CHARS_MAX, NETWORKS_MAX, PERMISSIONS, Network, Permission
from services.auth.passwords import PASSWORD_CHARS_MAX, PASSWORD_CHARS_MIN, normalise_password
from services.auth.public_keys import PEM_CHARS_MAX, PublicKey, read_public_key
from services.auth.second_factors import CODE_CHARS_MAX

DEFAULT_LABEL: Final = "default"
EXPIRY_DAYS_MAX: Final = 36_500

# Control characters, zero-width characters, and those that turn the direction of the text around them.
_INVISIBLE: Final = r"\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff"
LABEL_PATTERN: Final = rf"^[^\s{_INVISIBLE}]([^{_INVISIBLE}]{{0,{LABEL_CHARS_MAX - 2}}}[^\s{_INVISIBLE}])?$"
# Half of a surrogate pair cannot be stored; OpenAPI's own text has no way to say so.
_label = re.compile(LABEL_PATTERN.replace(_INVISIBLE, _INVISIBLE + r"\ud800-\udfff"))


def _normalise_secret(password: SecretStr) -> SecretStr:
    return SecretStr(normalise_password(password.get_secret_value()))


def _check_label(label: str) -> str:
    if _label.fullmatch(label) is None:
        raise ValueError(f"must have 1 to {LABEL_CHARS_MAX} visible characters and no space at either end")
    return label


def _in_order(permissions: list[Permission]) -> list[Permission]:
    return [permission for permission in PERMISSIONS if permission in permissions]


def _in_the_future(moment: datetime) -> datetime:
    if not datetime.now(UTC) < moment < datetime.now(UTC) + timedelta(days=EXPIRY_DAYS_MAX):
        raise ValueError(f"must be in the future, by {EXPIRY_DAYS_MAX} days at most")
    return moment.astimezone(UTC)


def _public_key(text: Any) -> PublicKey:
    if not isinstance(text, str):
        raise ValueError("must be a string")  # Pydantic reports ValueError only.
    return read_public_key(text)


def _network(text: Any) -> Network:
    """``203.0.113.7``, ``203.0.113.0/24`` or the same of IPv6."""
    if isinstance(text, ipaddress.IPv4Network | ipaddress.IPv6Network):
        return text
    try:
        # A zone names an interface of one machine.
        network = ipaddress.ip_network(text) if isinstance(text, str) and "%" not in text else None
    except ValueError:
        network = None
    if network is None:
        raise ValueError("must be an address, or a network such as 203.0.113.0/24 with no bits set after its length")
    return network


Email = Annotated[
    str,
    AfterValidator(normalise_email),
    WithJsonSchema(
        {"type": "string", "format": "email", "maxLength": EMAIL_CHARS_MAX, "examples": ["ada@example.com"]}
    ),
]
Password = Annotated[
    SecretStr,
    AfterValidator(_normalise_secret),
    WithJsonSchema(
        {
            "type": "string",
            "format": "password",
            "minLength": PASSWORD_CHARS_MIN,
            "maxLength": PASSWORD_CHARS_MAX,
            "writeOnly": True,
            "examples": ["correct horse battery staple"],
        }
    ),
]
Label = Annotated[
    str,
    AfterValidator(_check_label),
    WithJsonSchema({"type": "string", "pattern": LABEL_PATTERN, "maxLength": LABEL_CHARS_MAX, "examples": ["my bot"]}),
]
Permissions = Annotated[list[Permission], Field(min_length=1, max_length=len(PERMISSIONS)), AfterValidator(_in_order)]
PublicKeyPem = Annotated[
    PublicKey,
    PlainValidator(_public_key),
    WithJsonSchema(
        {
            "type": "string",
            "maxLength": PEM_CHARS_MAX,
            "description": "Ed25519, or RSA of 2048 to 4096 bits, in PEM",
            "examples": [
                "-----BEGIN PUBLIC KEY-----\n"
                "MCowBQYDK2VwAyEAgmDRTtj2FA+wzJUIlAL9ly1eovjLBu7uXUFR+jFULmg=\n"
                "-----END PUBLIC KEY-----"
            ],
        }
    ),
]
IpNetwork = Annotated[
    Network,
    PlainValidator(_network),
    PlainSerializer(str, return_type=str),
    WithJsonSchema({"type": "string", "maxLength": 49, "examples": ["203.0.113.0/24"]}),
]
IpAllowList = Annotated[
    list[IpNetwork], Field(max_length=NETWORKS_MAX), AfterValidator(lambda networks: list(dict.fromkeys(networks)))
]
Expiry = Annotated[
    AwareDatetime,
    AfterValidator(_in_the_future),
    WithJsonSchema({"type": "string", "format": "date-time", "examples": ["2099-12-31T00:00:00Z"]}),
]
# Refresh, device, challenge and mail tokens.
OpaqueToken = Annotated[SecretStr, Field(min_length=1, max_length=128)]
Code = Annotated[SecretStr, Field(min_length=1, max_length=CODE_CHARS_MAX)]
