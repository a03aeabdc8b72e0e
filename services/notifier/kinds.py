"""What an account can be told of, and by which channels: the one table that everything else follows.

``SECURITY`` kinds always go by e-mail. ``LINK`` kinds carry a token for one person's eyes: they go by e-mail only, and
appear nowhere else. ``CODE`` goes to a phone only. A kind that auth invents later is told as ``SECURITY_NOTICE``.
"""

from collections.abc import Mapping
from enum import Enum, auto
from typing import Final, Literal, NamedTuple, get_args

PreferenceChannel = Literal["INBOX", "EMAIL", "SMS"]
Channel = Literal["EMAIL", "SMS", "WEBHOOK", "TOPIC"]
PREFERENCE_CHANNELS: Final[tuple[PreferenceChannel, ...]] = get_args(PreferenceChannel)
CHANNELS: Final[tuple[Channel, ...]] = get_args(Channel)


class Group(Enum):
    LINK = auto()
    CODE = auto()
    SECURITY = auto()
    MONEY = auto()
    ORDERS = auto()
    TEST = auto()


class Standing(NamedTuple):
    """Whether a channel is on unless the account says otherwise, and whether it may say so."""

    enabled: bool
    is_fixed: bool = False


_STANDINGS: Final[Mapping[Group, Mapping[PreferenceChannel, Standing]]] = {
    Group.LINK: {
        "INBOX": Standing(False, is_fixed=True),
        "EMAIL": Standing(True, is_fixed=True),
        "SMS": Standing(False, is_fixed=True),
    },
    Group.CODE: {
        "INBOX": Standing(False, is_fixed=True),
        "EMAIL": Standing(False, is_fixed=True),
        "SMS": Standing(True, is_fixed=True),
    },
    Group.SECURITY: {
        "INBOX": Standing(True, is_fixed=True),
        "EMAIL": Standing(True, is_fixed=True),
        "SMS": Standing(False),
    },
    Group.MONEY: {"INBOX": Standing(True), "EMAIL": Standing(True), "SMS": Standing(False)},
    Group.ORDERS: {"INBOX": Standing(True), "EMAIL": Standing(False), "SMS": Standing(False)},
    Group.TEST: {
        "INBOX": Standing(False, is_fixed=True),
        "EMAIL": Standing(False, is_fixed=True),
        "SMS": Standing(False, is_fixed=True),
    },
}

SECURITY_NOTICE: Final = "SECURITY_NOTICE"
CONFIRM_PHONE: Final = "CONFIRM_PHONE"
WEBHOOK_TEST: Final = "WEBHOOK_TEST"
DEPOSIT: Final = "DEPOSIT"
WITHDRAWAL: Final = "WITHDRAWAL"
TRANSFER: Final = "TRANSFER"
ORDER_FILLED: Final = "ORDER_FILLED"
ORDER_EXPIRED: Final = "ORDER_EXPIRED"
ACCOUNT_STATUS: Final = "ACCOUNT_STATUS"

GROUPS: Final[Mapping[str, Group]] = {
    "CONFIRM_EMAIL": Group.LINK,
    "RESET_PASSWORD": Group.LINK,
    "ALREADY_REGISTERED": Group.LINK,
    CONFIRM_PHONE: Group.CODE,
    "NEW_DEVICE_LOGIN": Group.SECURITY,
    "ACCOUNT_LOCKED": Group.SECURITY,
    "SESSION_STOLEN": Group.SECURITY,
    "PASSWORD_CHANGED": Group.SECURITY,
    "EMAIL_CHANGED": Group.SECURITY,
    "SECOND_FACTOR_ENABLED": Group.SECURITY,
    "SECOND_FACTOR_DISABLED": Group.SECURITY,
    "RECOVERY_CODE_USED": Group.SECURITY,
    "API_KEY_CREATED": Group.SECURITY,
    "API_KEY_DELETED": Group.SECURITY,
    ACCOUNT_STATUS: Group.SECURITY,
    SECURITY_NOTICE: Group.SECURITY,
    DEPOSIT: Group.MONEY,
    WITHDRAWAL: Group.MONEY,
    TRANSFER: Group.MONEY,
    ORDER_FILLED: Group.ORDERS,
    ORDER_EXPIRED: Group.ORDERS,
    WEBHOOK_TEST: Group.TEST,
}

# What an account chooses about, and what webhooks and the topic may be told of.
CHOSEN: Final = tuple(kind for kind, group in GROUPS.items() if group in {Group.SECURITY, Group.MONEY, Group.ORDERS})


def standing(kind: str, channel: PreferenceChannel) -> Standing:
    return _STANDINGS[GROUPS[kind]][channel]
