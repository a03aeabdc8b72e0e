"""What may be done at the venue and by an account, and how far a withdrawal has come."""

from services.domain.words import Word


class AccountStatus(Word):
    """A FROZEN account has no open orders and may neither trade nor send money away; it may receive."""

    ACTIVE = "ACTIVE"
    FROZEN = "FROZEN"


class VenueStatus(Word):
    """HALTED is the kill switch: no order is taken in any market; resting ones stay and can be cancelled."""

    OPEN = "OPEN"
    HALTED = "HALTED"


class WithdrawalStatus(Word):
    """HELD until it is either SETTLED (the money has left) or REJECTED (its owner has it back)."""

    HELD = "HELD"
    SETTLED = "SETTLED"
    REJECTED = "REJECTED"


class MovementKind(Word):
    """What a line of an account's ledger is. WITHDRAWAL_FEE is paid by the account, FEE_INCOME is the venue's side."""

    DEPOSIT = "DEPOSIT"
    WITHDRAWAL = "WITHDRAWAL"
    WITHDRAWAL_FEE = "WITHDRAWAL_FEE"
    FEE_INCOME = "FEE_INCOME"
    TRANSFER_IN = "TRANSFER_IN"
    TRANSFER_OUT = "TRANSFER_OUT"
