"""The public routes of API keys."""

from typing import Annotated

from fastapi import APIRouter, Path

from services.auth import accounts, api_keys, audit, notices
from services.auth.callers import Bearer
from services.auth.changes import announce_api_key
from services.auth.errors import (
    ALWAYS,
    API_KEY_NOT_FOUND,
    EMAIL_NOT_CONFIRMED,
    INVALID_ACCESS_TOKEN,
    TOO_MANY_API_KEYS,
    WITH_BODY,
    WITHDRAW_NEEDS_ALLOW_LIST,
    Refused,
    documented,
)
from services.auth.resources import Held
from services.auth.visitors import Visiting
from services.auth.wire import ApiKeyChanges, ApiKeyView, NewApiKeyRequest, NewApiKeyView
from services.infra.telemetry import logger

log = logger(__name__)

router = APIRouter(tags=["api keys"])


@router.post(
    "/api-keys",
    status_code=201,
    response_model_exclude_none=True,
    responses=documented(
        WITHDRAW_NEEDS_ALLOW_LIST, INVALID_ACCESS_TOKEN, EMAIL_NOT_CONFIRMED, TOO_MANY_API_KEYS, *WITH_BODY
    ),
)
async def create_api_key(body: NewApiKeyRequest, token: Bearer, visitor: Visiting, held: Held) -> NewApiKeyView:
    """Create an API key. Its secret, unless you sent a public key, is in this answer and never shown again."""
    async with held.transaction_of(token) as connection:
        if "withdraw" in body.permissions and held.settings.require_confirmed_email:
            account = await accounts.read(connection, token.account_id)
            if not account.email_confirmed:
                raise Refused(EMAIL_NOT_CONFIRMED)
        created = await api_keys.create(
            connection,
            held.seal,
            token.account_id,
            body.wish(),
            max_keys=held.settings.max_api_keys_per_account,
        )
        if created is not None:
            await notices.write(
                connection, token.account_id, "API_KEY_CREATED", visitor.told() | {"label": created.label}
            )
            await audit.write(
                connection,
                token.account_id,
                "API_KEY_CREATED",
                visitor,
                apiKey=created.api_key,
                label=created.label,
                permissions=created.permissions,
            )
    if created is None:
        raise Refused(TOO_MANY_API_KEYS)
    log.info("API key created", account_id=token.account_id)
    return NewApiKeyView.model_validate(created, from_attributes=True)


@router.get(
    "/api-keys",
    response_model_exclude_none=True,
    responses=documented(INVALID_ACCESS_TOKEN, *ALWAYS),
)
async def list_api_keys(token: Bearer, held: Held) -> list[ApiKeyView]:
    """List the account's API keys, oldest first, without their secrets."""
    async with held.transaction_of(token) as connection:
        keys = await api_keys.list_all(connection, token.account_id)
    return [ApiKeyView.model_validate(key, from_attributes=True) for key in keys]


@router.patch(
    "/api-keys/{apiKey}",
    response_model_exclude_none=True,
    responses=documented(WITHDRAW_NEEDS_ALLOW_LIST, INVALID_ACCESS_TOKEN, API_KEY_NOT_FOUND, *WITH_BODY),
)
async def change_api_key(
    api_key: Annotated[str, Path(alias="apiKey")], body: ApiKeyChanges, token: Bearer, visitor: Visiting, held: Held
) -> ApiKeyView:
    """Change an API key's label or the addresses it may be used from. The change is in force at once."""
    async with held.transaction_of(token) as connection:
        changed = await api_keys.update(connection, token.account_id, api_key, body.label, body.ip_allow_list)
        if changed is not None:
            await audit.write(
                connection, token.account_id, "API_KEY_CHANGED", visitor, apiKey=api_key, label=changed.label
            )
    if changed is None:
        raise Refused(API_KEY_NOT_FOUND)
    await announce_api_key(held.redis, api_key)
    log.info("API key changed", account_id=token.account_id)
    return ApiKeyView.model_validate(changed, from_attributes=True)


@router.delete(
    "/api-keys/{apiKey}",
    status_code=204,
    responses=documented(INVALID_ACCESS_TOKEN, API_KEY_NOT_FOUND, *ALWAYS),
)
async def delete_api_key(
    api_key: Annotated[str, Path(alias="apiKey")], token: Bearer, visitor: Visiting, held: Held
) -> None:
    """Delete an API key. Requests signed with it stop working."""
    async with held.transaction_of(token) as connection:
        deleted = await api_keys.delete(connection, token.account_id, api_key)
        if deleted is not None:
            await notices.write(connection, token.account_id, "API_KEY_DELETED", visitor.told() | {"label": deleted})
            await audit.write(connection, token.account_id, "API_KEY_DELETED", visitor, apiKey=api_key, label=deleted)
    if deleted is None:
        raise Refused(API_KEY_NOT_FOUND)
    await announce_api_key(held.redis, api_key)
    log.info("API key deleted", account_id=token.account_id)
