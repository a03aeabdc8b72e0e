"""What the clients of this service send and receive, in JSON. Every field is bounded (``services.auth.fields``)."""

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
)
from pydantic.alias_generators import to_camel

from services.auth.accounts import ROLES, Role
from services.auth.api_keys import Permission, Wish
from services.auth.audit import Action
from services.auth.fields import (
    DEFAULT_LABEL,
    Code,
    Email,
    Expiry,
    IpAllowList,
    IpNetwork,
    Label,
    OpaqueToken,
    Password,
    Permissions,
    PublicKeyPem,
)
from services.auth.notices import LISTED_MAX as NOTICES_MAX
from services.auth.notices import Kind as NoticeKind
from services.auth.public_keys import Kind
from services.auth.sessions import Session
from services.infra.tokens import MAX_EXTERNAL_TOKEN_CHARS


class _Wire(BaseModel):
    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, extra="forbid", hide_input_in_errors=True
    )


class Registration(_Wire):
    email: Email
    password: Password


class LoginRequest(Registration):
    """``deviceToken`` is what an earlier login here brought: with it, wrong passwords from elsewhere are not yours."""

    device_token: OpaqueToken | None = None


class SecondStep(_Wire):
    challenge_token: OpaqueToken
    code: Code
    device_token: OpaqueToken | None = None


class RefreshRequest(_Wire):
    """Without a token in cookie mode."""

    refresh_token: OpaqueToken | None = None


class EmailRequest(_Wire):
    email: Email


class EmailChange(_Wire):
    """The password may be left out by those who have none."""

    email: Email
    password: Password | None = None


class MailTokenRequest(_Wire):
    """The token from the mail."""

    token: OpaqueToken


class NewPassword(MailTokenRequest):
    password: Password


class PasswordChange(_Wire):
    current_password: Password
    new_password: Password


class PasswordRequest(_Wire):
    password: Password


class NewApiKeyRequest(_Wire):
    """``read`` sees balances, orders and trades; ``trade`` places and cancels orders; ``withdraw`` takes money out, and
    needs an ``ipAllowList``. After ``expiresAt`` the key is refused.

    With ``publicKey`` requests are signed by the private key that stays with you; without, a secret is made for you.
    """

    label: Label
    permissions: Permissions
    public_key: PublicKeyPem | None = None
    ip_allow_list: IpAllowList = []
    expires_at: Expiry | None = None

    def wish(self) -> Wish:
        return Wish(self.label, self.permissions, self.public_key, self.ip_allow_list, self.expires_at)


class ApiKeyChanges(_Wire):
    """What is left out stays as it is. An empty ``ipAllowList`` lifts the restriction."""

    label: Label | None = None
    ip_allow_list: IpAllowList | None = None


class NewAccountRequest(NewApiKeyRequest):
    """An account that an operator makes. It has no password, so it can only trade by API key."""

    email: Email | None = None
    label: Label = DEFAULT_LABEL
    permissions: Permissions = ["read", "trade"]


class IntrospectionRequest(_Wire):
    # Other issuers' tokens are longer than ours.
    token: Annotated[SecretStr, Field(min_length=1, max_length=MAX_EXTERNAL_TOKEN_CHARS)]


class CodeRequest(_Wire):
    """A one-time password of six digits, or a recovery code."""

    code: Code


class RolesRequest(_Wire):
    roles: Annotated[list[Role], Field(max_length=len(ROLES)), AfterValidator(lambda roles: list(dict.fromkeys(roles)))]


class Acknowledgement(_Wire):
    notice_ids: Annotated[list[Annotated[int, Field(ge=1, lt=2**63)]], Field(max_length=NOTICES_MAX)]


class HolderView(_Wire):
    """Who holds an access token. ``sessionId`` is null for another issuer's; roles count with ``secondFactor`` only."""

    account_id: int
    session_id: str | None
    email: str | None
    email_confirmed: bool
    roles: list[Role]
    second_factor: bool
    expires_at: datetime


class AccountView(_Wire):
    account_id: int
    email: str | None
    email_confirmed: bool
    created_at: datetime
    has_second_factor: bool
    credentials_changed_at: datetime | None
    roles: list[Role]


class NoticeView(_Wire):
    """What to tell whom. ``data`` differs by ``kind``; a token in it is a secret of the reader's."""

    notice_id: int
    account_id: int
    email: str
    kind: NoticeKind
    occurred_at: datetime
    data: dict[str, Any] = Field(repr=False)


class Registered(_Wire):
    """Whether the link in the mail has to be followed before the account can be used."""

    confirmation_required: bool


class Tokens(_Wire):
    """Send the access token as ``Authorization: Bearer``. The refresh token works once and brings the next pair.

    Keep a device token for the logins to come. In cookie mode both are in cookies.
    """

    access_token: str = Field(repr=False)
    expires_in_s: int
    refresh_token: str | None = Field(default=None, repr=False)
    device_token: str | None = Field(default=None, repr=False)
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105  # The scheme's name, not a secret.


class SecondFactorNeeded(_Wire):
    """The password was right. Show this token with a code at ``/auth/v1/login/second-factor``."""

    second_factor_required: Literal[True] = True
    challenge_token: str = Field(repr=False)
    expires_in_s: int


class SecondFactorView(_Wire):
    enabled: bool
    recovery_codes_left: int


class Enrolment(_Wire):
    """The same secret twice: to type, and to show as a QR code."""

    secret: str = Field(repr=False)
    provisioning_uri: str = Field(repr=False)


class RecoveryCodes(_Wire):
    """Each works once in a code's place. They are shown only now."""

    recovery_codes: list[str] = Field(repr=False)


class OpenSessionView(_Wire):
    session_id: str
    is_current: bool
    created_at: datetime
    last_used_at: datetime
    expires_at: datetime
    address: str | None
    user_agent: str
    second_factor: bool

    @classmethod
    def of(cls, session: Session, *, is_current: bool) -> "OpenSessionView":
        return cls(is_current=is_current, **asdict(session))


class AuditEntryView(_Wire):
    """``address`` is null for what an operator did. ``data`` differs by ``action``."""

    audit_id: int
    occurred_at: datetime
    action: Action
    address: str | None
    user_agent: str
    data: dict[str, Any]


class ApiKeyView(_Wire):
    api_key: str
    label: str
    permissions: list[Permission]
    kind: Kind
    public_key: str | None = None
    ip_allow_list: list[IpNetwork]
    created_at: datetime
    expires_at: datetime | None = None
    last_used_at: datetime | None = None


class NewApiKeyView(ApiKeyView):
    """The only answer that ever shows the secret, if the key has one."""

    secret_key: str | None = Field(default=None, repr=False)


class NewAccountView(_Wire):
    """``user_id`` is the account id."""

    user_id: int
    api_key: str
    secret_key: str | None = Field(default=None, repr=False)


class SigningAuthorityView(_Wire):
    """The secret of an HMAC key, the public key of the others."""

    account_id: int
    kind: Kind
    secret_key: str | None = Field(default=None, repr=False)
    public_key: str | None = None
    permissions: list[Permission]
    ip_allow_list: list[IpNetwork]
    created_at: datetime
    expires_at: datetime | None = None


class SessionView(_Wire):
    account_id: int


class JsonWebKey(BaseModel):
    kty: Literal["EC"]
    crv: Literal["P-256"]
    x: str
    y: str
    kid: str
    use: Literal["sig"]
    alg: Literal["ES256"]


class JsonWebKeySet(BaseModel):
    """RFC 7517. Every key that a valid access token may name in its ``kid``."""

    keys: list[JsonWebKey]


class Health(BaseModel):
    status: Literal["live", "ready"]
