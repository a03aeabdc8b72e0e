"""Who among the staff may do what: one table, which the routes, the tests and docs/admin.md take from here.

Roles count only in a session that was opened with a second factor. The ``crossbook admin`` command on the machine
itself may do everything: whoever can read the internal credential there owns the exchange anyway.
"""

from enum import Enum
from typing import Final


class Role(Enum):
    SUPPORT = "support"
    TREASURER = "treasurer"
    OPERATOR = "operator"


class Action(Enum):
    """The value is what the audit calls it."""

    FIND_USERS = "find_users"
    SHOW_USER = "show_user"
    FREEZE_ACCOUNT = "freeze_account"
    UNFREEZE_ACCOUNT = "unfreeze_account"
    CANCEL_ORDERS = "cancel_orders"
    SET_ROLES = "set_roles"
    LIST_FEE_TIERS = "list_fee_tiers"
    DEFINE_FEE_TIER = "define_fee_tier"
    ASSIGN_FEE_TIER = "assign_fee_tier"
    ASSIGN_LIMIT_TIER = "assign_limit_tier"
    LIST_MARKETS = "list_markets"
    DEFINE_MARKET = "define_market"
    SET_MARKET_STATUS = "set_market_status"
    SET_VENUE_STATUS = "set_venue_status"
    LIST_WITHDRAWALS = "list_withdrawals"
    APPROVE_WITHDRAWAL = "approve_withdrawal"
    REJECT_WITHDRAWAL = "reject_withdrawal"
    SETTLE_WITHDRAWAL = "settle_withdrawal"
    LIST_DEPOSITS = "list_deposits"
    CREDIT_DEPOSIT = "credit_deposit"
    ADD_DEPOSIT_ADDRESSES = "add_deposit_addresses"
    SHOW_RESERVES = "show_reserves"
    READ_AUDIT = "read_audit"
    READ_PARKED_NOTICES = "read_parked_notices"


_EVERYONE: Final = frozenset(Role)
_SUPPORT_AND_OPERATOR: Final = frozenset({Role.SUPPORT, Role.OPERATOR})
_TREASURER: Final = frozenset({Role.TREASURER})
_TREASURER_AND_OPERATOR: Final = frozenset({Role.TREASURER, Role.OPERATOR})
_OPERATOR: Final = frozenset({Role.OPERATOR})
_COMMAND_LINE_ONLY: Final[frozenset[Role]] = frozenset()

MATRIX: Final[dict[Action, frozenset[Role]]] = {
    Action.FIND_USERS: _EVERYONE,
    Action.SHOW_USER: _EVERYONE,
    # Anyone may stop harm; fewer may let it go on.
    Action.FREEZE_ACCOUNT: _EVERYONE,
    Action.UNFREEZE_ACCOUNT: _OPERATOR,
    Action.CANCEL_ORDERS: _SUPPORT_AND_OPERATOR,
    # Else whoever has one role could take them all.
    Action.SET_ROLES: _COMMAND_LINE_ONLY,
    Action.LIST_FEE_TIERS: _EVERYONE,
    Action.DEFINE_FEE_TIER: _OPERATOR,
    Action.ASSIGN_FEE_TIER: _OPERATOR,
    Action.ASSIGN_LIMIT_TIER: _TREASURER,
    Action.LIST_MARKETS: _EVERYONE,
    Action.DEFINE_MARKET: _OPERATOR,
    Action.SET_MARKET_STATUS: _OPERATOR,
    Action.SET_VENUE_STATUS: _OPERATOR,
    Action.LIST_WITHDRAWALS: _EVERYONE,
    Action.APPROVE_WITHDRAWAL: _TREASURER,
    Action.REJECT_WITHDRAWAL: _TREASURER,
    Action.SETTLE_WITHDRAWAL: _TREASURER,
    Action.LIST_DEPOSITS: _EVERYONE,
    Action.CREDIT_DEPOSIT: _TREASURER,
    Action.ADD_DEPOSIT_ADDRESSES: _TREASURER,
    Action.SHOW_RESERVES: _TREASURER_AND_OPERATOR,
    Action.READ_AUDIT: _TREASURER_AND_OPERATOR,
    Action.READ_PARKED_NOTICES: _SUPPORT_AND_OPERATOR,
}


def may(roles: frozenset[Role], action: Action) -> bool:
    return bool(roles & MATRIX[action])
