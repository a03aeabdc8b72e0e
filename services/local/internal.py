"""What the command line asks of a running exchange's services, over their internal routes on loopback."""

import time
from typing import Any, Final

import httpx
import msgspec

from services.domain.commands import (
    Command,
    DefineMarket,
    DefineVenue,
    Deposit,
    SetAccountStatus,
    SetAccountTerms,
    SetMarketStatus,
    SetVenueStatus,
)
from services.domain.market import Market, MarketStatus, Venue
from services.domain.money import format_e8
from services.domain.protocol import Applied, Envelope, Failed, Refused, Reply
from services.domain.refusals import Refusal
from services.domain.standing import AccountStatus, VenueStatus
from services.infra import internal_token
from services.local.data_directory import DataDirectory, DataDirectoryError, RunState
from services.local.failure import CommandFailed

# Long enough for a crashed engine to be started again and recover.
PATIENCE_S: Final = 20.0
COMMAND_DEADLINE_S: Final = 3.0
REQUEST_TIMEOUT_S: Final = 8.0
RETRY_S: Final = 0.2

# What an operator can do about a refusal.
_ADVICE: Final = {
    Refusal.UNKNOWN_SYMBOL: "`crossbook market show` lists the markets",
    Refusal.UNKNOWN_ASSET: "no market trades it; `crossbook market show` lists the markets",
    Refusal.REFERENCE_USED_DIFFERENTLY: "this reference named another transfer; choose a new one",
    Refusal.SUPPLY_OVERFLOW: "there cannot be more than 92233720368.54775807 of an asset",
    Refusal.MARKET_ASSETS_FIXED: "a listed market keeps its base and quote asset; list another symbol",
    Refusal.GRID_COARSER_THAN_OPEN_ORDERS: "orders are open that would not fit: have them cancelled first",
}

_replies: Final = msgspec.msgpack.Decoder(list[Reply])


class NotDone(CommandFailed):
    """The exchange did not do what was asked; the message says why."""


class Account(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """An account and its API key. The secret is shown only here; a key made for a public key has none."""

    user_id: int
    api_key: str
    secret_key: str = ""


class InternalClient:
    """Talks to the services of the exchange that runs in ``directory``."""

    def __init__(self, directory: DataDirectory, state: RunState | None = None) -> None:
        state = state or directory.run_state()
        if state is None:
            raise DataDirectoryError(f"no exchange runs in {directory.root}; start one with: crossbook up")
        self.state = state
        credential = internal_token.header(directory.secrets().internal_token)
        self._http = httpx.Client(headers=credential, timeout=REQUEST_TIMEOUT_S, trust_env=False)

    def __enter__(self) -> "InternalClient":
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def create_account(
        self,
        *,
        email: str | None = None,
        label: str | None = None,
        public_key: str | None = None,
        ip_allow_list: list[str] | None = None,
        may_withdraw: bool = False,
    ) -> Account:
        """Open an account with one API key that may trade: signed by a secret, or by the client's own private key.

        One that ``may_withdraw`` needs an ``ip_allow_list``.
        """
        wishes = {
            "email": email,
            "label": label,
            "publicKey": public_key,
            "ipAllowList": ip_allow_list,
            "permissions": ["read", "trade", "withdraw"] if may_withdraw else None,
        }
        body = {name: value for name, value in wishes.items() if value is not None}
        response = self._http.post(f"{self.state.auth_url}/internal/accounts", json=body)
        if response.status_code != httpx.codes.CREATED:
            raise NotDone(f"the auth service refused ({response.status_code}): {response.text}")
        return msgspec.json.decode(response.content, type=Account)

    def deposit(self, account_id: int, asset: str, amount_e8: int, reference: str) -> bool:
        """Bring money in exactly once: ``reference`` names this deposit, so asking again after a doubt is safe.

        Return whether it came in now.
        """
        request = Deposit(account_id, asset, amount_e8, reference)
        return self._have_done(request, f"{format_e8(amount_e8)} {asset}", done_before=Refusal.REFERENCE_ALREADY_USED)

    def set_market_status(self, symbol: str, status: MarketStatus) -> None:
        """Open, halt or close a market; it may be so already."""
        request = SetMarketStatus(symbol, status)
        self._have_done(request, f"{symbol} {status.value}", done_before=Refusal.STATUS_UNCHANGED)

    def define_market(self, market: Market) -> bool:
        """List a market or change a listed one; return whether that changed anything."""
        what = f"market {market.symbol}"
        return self._have_done(DefineMarket(market), what, done_before=Refusal.MARKET_UNCHANGED)

    def define_venue(self, venue: Venue) -> bool:
        """Set the limits that span markets; return whether that changed anything."""
        return self._have_done(DefineVenue(venue), "limits of the venue", done_before=Refusal.MARKET_UNCHANGED)

    def set_account_terms(self, terms: SetAccountTerms) -> None:
        """Replace what holds for one account only."""
        self._have_done(terms, f"terms of account {terms.account_id}")

    def set_account_status(self, account_id: int, status: AccountStatus) -> None:
        """Freeze an account or let it act again; it may be so already."""
        request = SetAccountStatus(account_id, status)
        self._have_done(request, f"account {account_id} {status.value}", done_before=Refusal.STATUS_UNCHANGED)

    def set_venue_status(self, status: VenueStatus) -> None:
        """Halt all markets or open them again; it may be so already."""
        self._have_done(SetVenueStatus(status), f"venue {status.value}", done_before=Refusal.STATUS_UNCHANGED)

    def _have_done(self, request: Command, what: str, *, done_before: Refusal | None = None) -> bool:
        """Ask until an engine has done it. Doing it twice must be harmless, or be refused as ``done_before``.

        Return False if it was refused as done before, at the first attempt.
        """
        deadline_s = time.monotonic() + PATIENCE_S
        doubt = ""
        while time.monotonic() < deadline_s:
            reply = self._ask_active_engine(request)
            if isinstance(reply, Applied):
                return True
            if isinstance(reply, Refused):
                if reply.reason is done_before:
                    return bool(doubt)
                raise NotDone(_refused(what, reply.reason))
            doubt = f"the engine said {reply.kind.value}" if isinstance(reply, Failed) else "no engine answered"
            time.sleep(RETRY_S)
        raise NotDone(f"{what} may or may not have been done: {doubt}")

    def parked(self, limit: int) -> list[dict[str, Any]]:
        """Return the deliveries of notices that were given up, newest first."""
        response = self._ask_notifier("GET", f"parked?limit={limit}")
        found: list[dict[str, Any]] = response.json()
        return found

    def retry_parked(self, delivery_id: str) -> None:
        self._ask_notifier("POST", f"parked/{delivery_id}/retry")

    def _ask_notifier(self, method: str, path: str) -> httpx.Response:
        try:
            response = self._http.request(method, f"{self.state.notifier_url}/internal/{path}")
        except httpx.HTTPError as error:
            raise NotDone(f"the notifier does not answer: {type(error).__name__}") from error
        if not response.is_success:
            raise NotDone(f"the notifier refused ({response.status_code}): {response.text}")
        return response

    def engine_status(self) -> list[dict[str, Any]]:
        """Return what each engine says of itself; one that does not answer says nothing."""
        answers = []
        for url in self.state.engine_urls:
            try:
                response = self._http.get(f"{url}/internal/status", timeout=2)
                response.raise_for_status()
            except httpx.HTTPError:
                continue
            answers.append(response.json())
        return answers

    def send(self, method: str, url: str, **how: Any) -> httpx.Response:
        """Ask a service with the internal credential shown."""
        return self._http.request(method, url, **how)

    def _ask_active_engine(self, request: Command) -> Reply | None:
        deadline_us = time.time_ns() // 1000 + int(COMMAND_DEADLINE_S * 1_000_000)
        body = msgspec.msgpack.encode([Envelope(deadline_us, request)])
        for url in self.state.engine_urls:
            try:
                response = self._http.post(f"{url}/internal/commands", content=body)
            except httpx.HTTPError:
                continue
            if response.status_code == httpx.codes.OK:
                return _replies.decode(response.content)[0]
            if response.status_code != httpx.codes.SERVICE_UNAVAILABLE:
                raise NotDone(f"the engine refused ({response.status_code}): {response.text}")
        return None


def _refused(what: str, reason: Refusal) -> str:
    advice = _ADVICE.get(reason)
    return f"{what} refused: {reason.value}" + (f" ({advice})" if advice else "")
