"""Accounts: a free, a locked and a withdrawing amount per asset.

Invariants
- None of them is negative; ``locked`` is the sum of what the account's open orders reserve, ``withdrawing`` the sum of
  what its held withdrawals and their fees take.
- Per asset, the sum over all accounts equals ``supply``: deposits minus withdrawals.
"""

from typing import Final

from services.domain.commands import SetAccountTerms
from services.domain.events import BalanceChanged, Event
from services.engine.core.rules import Rules

# Receives every fee. Account ids of people start far above it (services/auth/schema.py).
FEE_ACCOUNT_ID: Final = 1


class Balance:
    """``is_touched`` while the current command has changed it and not told yet."""

    __slots__ = ("account_id", "asset", "free_e8", "is_touched", "locked_e8", "withdrawing_e8")

    def __init__(
        self, account_id: int, asset: str, free_e8: int = 0, locked_e8: int = 0, withdrawing_e8: int = 0
    ) -> None:
        self.account_id = account_id
        self.asset = asset
        self.free_e8 = free_e8
        self.locked_e8 = locked_e8
        self.withdrawing_e8 = withdrawing_e8
        self.is_touched = False

    @property
    def total_e8(self) -> int:
        return self.free_e8 + self.locked_e8 + self.withdrawing_e8


class Accounts:
    """Every account's balances, terms and standing, and which balances the current command has touched."""

    __slots__ = ("_touched", "balances", "frozen", "supply", "terms")

    def __init__(self) -> None:
        self.balances: dict[int, dict[str, Balance]] = {}
        self.supply: dict[str, int] = {}
        self.terms: dict[int, SetAccountTerms] = {}
        self.frozen: set[int] = set()
        self._touched: list[Balance] = []

    def find(self, account_id: int, asset: str) -> Balance | None:
        """The balance, if the account has ever had any of the asset."""
        return self.balances.get(account_id, _NONE).get(asset)

    def free(self, account_id: int, asset: str) -> int:
        balance = self.find(account_id, asset)
        return balance.free_e8 if balance is not None else 0

    def total(self, account_id: int, asset: str) -> int:
        balance = self.find(account_id, asset)
        return balance.total_e8 if balance is not None else 0

    def balance(self, account_id: int, asset: str) -> Balance:
        """Return the balance; it starts at zero."""
        balances = self.balances.get(account_id)
        if balances is None:
            balances = self.balances[account_id] = {}
        balance = balances.get(asset)
        if balance is None:
            balance = balances[asset] = Balance(account_id, asset)
        return balance

    def touch(self, account_id: int, asset: str) -> Balance:
        """Return the balance in order to change it."""
        balance = self.balance(account_id, asset)
        self._note(balance)
        return balance

    def _note(self, balance: Balance) -> None:
        """It is about to change, which is to be told."""
        if not balance.is_touched:
            balance.is_touched = True
            self._touched.append(balance)

    def lock(self, balance: Balance, amount_e8: int) -> None:
        self._note(balance)
        balance.free_e8 -= amount_e8
        balance.locked_e8 += amount_e8
        assert balance.free_e8 >= 0, "admission checks the free balance before anything is locked"

    def unlock(self, balance: Balance, amount_e8: int) -> None:
        self._note(balance)
        balance.locked_e8 -= amount_e8
        balance.free_e8 += amount_e8
        assert balance.locked_e8 >= 0, "an order never releases more than it reserved"

    def pay(self, balance: Balance, locked_e8: int, paid_e8: int) -> None:
        """Pay out of ``locked_e8`` that was reserved for it; the rest becomes free again."""
        self._note(balance)
        balance.locked_e8 -= locked_e8
        balance.free_e8 += locked_e8 - paid_e8
        assert balance.locked_e8 >= 0 and paid_e8 <= locked_e8, "a trade never costs more than was reserved"

    def receive(self, account_id: int, asset: str, amount_e8: int, fee_e8: int) -> None:
        """Credit ``amount_e8`` less the fee, which goes to the fee account."""
        self.touch(account_id, asset).free_e8 += amount_e8 - fee_e8
        if fee_e8:
            self.touch(FEE_ACCOUNT_ID, asset).free_e8 += fee_e8

    def issue(self, account_id: int, asset: str, amount_e8: int) -> None:
        """Change the supply: a deposit is positive, a withdrawal negative."""
        balance = self.touch(account_id, asset)
        balance.free_e8 += amount_e8
        self.supply[asset] = self.supply.get(asset, 0) + amount_e8
        assert balance.free_e8 >= 0, "admission checks the free balance before a withdrawal"

    def hold(self, account_id: int, asset: str, amount_e8: int) -> None:
        """Set free money aside for a withdrawal; a negative amount gives it back."""
        balance = self.touch(account_id, asset)
        balance.free_e8 -= amount_e8
        balance.withdrawing_e8 += amount_e8
        assert balance.free_e8 >= 0 and balance.withdrawing_e8 >= 0, "a hold is checked before, and ended once"

    def settle_hold(self, account_id: int, asset: str, amount_e8: int, fee_e8: int) -> None:
        """The held amount leaves the venue, the fee goes to the fee account."""
        balance = self.touch(account_id, asset)
        balance.withdrawing_e8 -= amount_e8 + fee_e8
        self.supply[asset] -= amount_e8
        if fee_e8:
            self.touch(FEE_ACCOUNT_ID, asset).free_e8 += fee_e8
        assert balance.withdrawing_e8 >= 0, "a hold is ended once"

    def trade_group(self, account_id: int) -> int:
        terms = self.terms.get(account_id)
        return terms.trade_group_id if terms is not None else 0

    def same_owner(self, account_id: int, other_id: int) -> bool:
        """Is a trade between the two a self-trade?"""
        if account_id == other_id or not self.terms:
            return account_id == other_id
        group = self.trade_group(account_id)
        return group != 0 and group == self.trade_group(other_id)

    def fee_rate(self, account_id: int, rules: Rules, *, is_maker: bool) -> int:
        """The account's own rate, else the market's."""
        if not self.terms:
            return rules.maker_fee_rate_e8 if is_maker else rules.taker_fee_rate_e8
        terms = self.terms.get(account_id)
        own = None if terms is None else (terms.maker_fee_rate_e8 if is_maker else terms.taker_fee_rate_e8)
        if own is not None:
            return own
        return rules.maker_fee_rate_e8 if is_maker else rules.taker_fee_rate_e8

    def tell_changes(self, events: list[Event]) -> None:
        """Append one event per balance touched since the last call."""
        for balance in self._touched:
            balance.is_touched = False
            events.append(
                BalanceChanged(
                    balance.account_id, balance.asset, balance.free_e8, balance.locked_e8, balance.withdrawing_e8
                )
            )
        self._touched.clear()

    def imbalances(self) -> dict[str, int]:
        """Per asset, the sum over all accounts minus the supply, where it is not zero (it always is)."""
        sums: dict[str, int] = {asset: -amount for asset, amount in self.supply.items()}
        for balances in self.balances.values():
            for asset, balance in balances.items():
                sums[asset] = sums.get(asset, 0) + balance.total_e8
        return {asset: difference for asset, difference in sums.items() if difference}


_NONE: Final[dict[str, Balance]] = {}
