"""The assets file: TOML with decimal strings, read once when a process starts. It says what the wallet handles.

[[tier]]                        # a limit tier: how much of every asset's daily limit an account may send away
tier = "standard"
with_second_factor_percent = 100
without_second_factor_percent = 20

[[asset]]
asset = "BTC"
name = "Bitcoin"
daily_limit = "5"               # what 100 % is, within 24 hours
approve_above = "0.5"           # larger withdrawals need a treasurer's approval
two_approvals_above = "2"       # and these need two people's

[[asset.network]]               # one for each network it travels on; the first is the default
network = "BITCOIN"
name = "Bitcoin"
minimum = "0.0002"              # of a withdrawal, with its fee
fee = "0.00005"
step = "0.00000001"
confirmations = 2               # before a deposit is credited
deposits = true
withdrawals = true
address_pattern = "^bc1[a-z0-9]{20,80}$"
needs_memo = false
addresses = "SPARE"             # REFERENCE: made here; SPARE: given in advance; MEMO: one for all, told apart by memo
deposit_address = ""            # the one for all
"""

import re
import tomllib
from pathlib import Path
from typing import Any, Final, Literal

import msgspec

from services.domain.money import MAX_E8, parse_e8

STANDARD: Final = "standard"
MAX_PERCENT: Final = 1_000_000
_DECIMALS: Final = frozenset({"daily_limit", "approve_above", "two_approvals_above", "minimum", "fee", "step"})
_name = re.compile(r"[A-Z0-9]{1,20}", re.ASCII)


class AssetsFileInvalid(ValueError):
    """The file cannot be used; the message names the table and the key."""


class _Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    pass


class Tier(_Table, frozen=True):
    tier: str
    with_second_factor_percent: int
    without_second_factor_percent: int

    def percent(self, *, second_factor: bool) -> int:
        return self.with_second_factor_percent if second_factor else self.without_second_factor_percent


class Network(_Table, frozen=True):
    network: str
    name: str
    minimum_e8: int
    fee_e8: int
    step_e8: int = 1
    confirmations: int = 1
    deposits: bool = True
    withdrawals: bool = True
    address_pattern: str = "^[A-Za-z0-9:._-]{4,128}$"
    needs_memo: bool = False
    addresses: Literal["REFERENCE", "SPARE", "MEMO"] = "REFERENCE"
    deposit_address: str = ""

    def is_address(self, text: str) -> bool:
        return re.search(self.address_pattern, text, re.ASCII) is not None and "\n" not in text

    def defects(self) -> list[str]:
        found = [] if _name.fullmatch(self.network) else ["network must have 1 to 20 of A-Z and 0-9"]
        if not 0 < self.fee_e8 + self.step_e8 <= self.minimum_e8:
            found.append("minimum must be at least fee and step together")
        if self.step_e8 <= 0 or self.fee_e8 % self.step_e8 or self.minimum_e8 % self.step_e8:
            found.append("minimum and fee must be multiples of step, which is not 0")
        if self.confirmations < 0:
            found.append("confirmations must not be negative")
        if (self.addresses == "MEMO") != bool(self.deposit_address):
            found.append("deposit_address is for addresses = MEMO, and needed there")
        try:
            re.compile(self.address_pattern)
        except re.error as error:
            found.append(f"address_pattern is not a regular expression: {error}")
        return found


class Asset(_Table, frozen=True):
    asset: str
    name: str
    daily_limit_e8: int
    approve_above_e8: int
    two_approvals_above_e8: int
    network: list[Network]

    def approvals_needed(self, total_e8: int) -> int:
        return int(total_e8 > self.approve_above_e8) + int(total_e8 > self.two_approvals_above_e8)

    def defects(self) -> list[str]:
        found = [] if _name.fullmatch(self.asset) else ["asset must have 1 to 20 of A-Z and 0-9"]
        if not self.network:
            found.append("needs at least one network")
        if self.approve_above_e8 > self.two_approvals_above_e8:
            found.append("two_approvals_above must not be below approve_above")
        names = [network.network for network in self.network]
        if len(set(names)) < len(names):
            found.append("names a network twice")
        return found + [f"{network.network}: {defect}" for network in self.network for defect in network.defects()]


class Catalogue(msgspec.Struct, frozen=True):
    """What the file says, by name."""

    assets: dict[str, Asset]
    tiers: dict[str, Tier]

    def network(self, asset: str, network: str | None) -> tuple[Asset, Network] | None:
        """The asset and one of its networks, its default one for None."""
        found = self.assets.get(asset)
        if found is None:
            return None
        for candidate in found.network:
            if network in (None, candidate.network):
                return found, candidate
        return None

    def limit_e8(self, asset: Asset, tier: str, *, second_factor: bool) -> int:
        """How much may leave an account within 24 hours. A tier that is no more is the standard one."""
        percent = self.tiers.get(tier, self.tiers[STANDARD]).percent(second_factor=second_factor)
        return min(asset.daily_limit_e8 * percent // 100, MAX_E8)


def read_catalogue(path: Path) -> Catalogue:
    """Return what the file says; raise AssetsFileInvalid on any defect."""
    try:
        document = tomllib.loads(path.read_text())
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise AssetsFileInvalid(f"{path}: cannot be read as TOML: {error}") from error
    if document.keys() - {"tier", "asset"}:
        raise AssetsFileInvalid(f"{path}: must have [[tier]] and [[asset]] tables, nothing else")
    try:
        tiers = msgspec.convert(document.get("tier", []), list[Tier])
        assets = msgspec.convert(_exact(document.get("asset", [])), list[Asset])
    except (msgspec.ValidationError, ValueError) as error:
        raise AssetsFileInvalid(f"{path}: {error}") from error
    defects = [f"{asset.asset}: {defect}" for asset in assets for defect in asset.defects()]
    defects += [f"tier {tier.tier}: percents are 0 to {MAX_PERCENT}" for tier in tiers if not _is_percent(tier)]
    if STANDARD not in {tier.tier for tier in tiers}:
        defects.append(f"there must be a tier named {STANDARD}")
    for names in ([asset.asset for asset in assets], [tier.tier for tier in tiers]):
        defects += [f"{name} is listed more than once" for name in sorted(set(names)) if names.count(name) > 1]
    if defects:
        raise AssetsFileInvalid(f"{path}: {'; '.join(defects)}")
    return Catalogue({asset.asset: asset for asset in assets}, {tier.tier: tier for tier in tiers})


def _is_percent(tier: Tier) -> bool:
    return all(0 <= tier.percent(second_factor=shown) <= MAX_PERCENT for shown in (True, False))


def _exact(value: Any) -> Any:
    """Turn decimal strings into counts of 1e-8, under the name that says so."""
    if isinstance(value, list):
        return [_exact(one) for one in value]
    if not isinstance(value, dict):
        return value
    return {
        (f"{key}_e8" if key in _DECIMALS else key): parse_e8(str(inner)) if key in _DECIMALS else _exact(inner)
        for key, inner in value.items()
    }
