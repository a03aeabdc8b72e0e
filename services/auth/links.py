"""Which calls follow from an answer of auth's."""

from typing import Final

from services.infra.links import Link, of_body

_CREDENTIALS: Final = {"email": "$request.body#/email", "password": "$request.body#/password"}
_TOKENS: Final = ("login", "login_with_second_factor", "refresh")

LINKS: Final = (
    Link("register", 202, "login", body=_CREDENTIALS),
    Link("register", 202, "resend_confirmation", body={"email": "$request.body#/email"}),
    Link("register", 202, "forgot_password", body={"email": "$request.body#/email"}),
    *(Link(after, 200, "refresh", body=of_body(refreshToken="refreshToken")) for after in _TOKENS),
    *(Link(after, 200, "introspect", body=of_body(token="accessToken")) for after in _TOKENS),  # noqa: S106 (a pointer)
    Link("login", 200, "login_with_second_factor", body=of_body(challengeToken="challengeToken")),
    Link("introspect", 200, "find_session", of_body(session_id="sessionId")),
    Link("introspect", 200, "find_account", of_body(accountId="accountId")),
    Link("list_sessions", 200, "revoke_session", of_body(sessionId="0/sessionId")),
    Link("create_api_key", 201, "change_api_key", of_body(apiKey="apiKey")),
    Link("create_api_key", 201, "delete_api_key", of_body(apiKey="apiKey")),
    Link("create_api_key", 201, "find_api_key", of_body(api_key="apiKey")),
    Link("change_api_key", 200, "delete_api_key", of_body(apiKey="apiKey")),
    Link("list_api_keys", 200, "change_api_key", of_body(apiKey="0/apiKey")),
    Link("create_account", 201, "find_account", of_body(accountId="userId")),
    Link("create_account", 201, "find_api_key", of_body(api_key="apiKey")),
    Link("create_account", 201, "set_roles", of_body(accountId="userId")),
    Link("create_account", 201, "check_second_factor", of_body(accountId="userId")),
    Link("search_accounts", 200, "find_account", of_body(accountId="0/accountId")),
    Link("list_notices", 200, "acknowledge_notices", body={"noticeIds": ["$response.body#/0/noticeId"]}),
)
