"""The OpenAPI document of the dialect's endpoints, made from their table."""

from typing import Any

from pydantic.fields import FieldInfo

from services.trading.endpoint import Endpoint, Security
from services.trading.schemas import ERROR
from services.trading.weights import Charge, charge_of

_SIGNING = (
    ("timestamp", {"type": "integer"}, True, "Epoch milliseconds or microseconds"),
    ("recvWindow", {"type": "number", "maximum": 60000}, False, "Milliseconds for which the request is valid"),
    (
        "signature",
        {"type": "string"},
        True,
        "Of query and body: HMAC-SHA256 in hexadecimal, or Ed25519 or RSA in base64",
    ),
)
_ERRORS = {
    "400": "The request is malformed or was rejected; `code` says why",
    "401": "The API key, its permissions, the address it is used from or the session is not valid",
    "404": "There is no such endpoint",
    "413": "The body is too large",
    "418": "The address is banned for going on after 429; `Retry-After` says for how many seconds",
    "429": "Over a rate limit; `Retry-After` says for how many seconds",
    "503": "Refused before anything was done: overloaded, or no engine is active",
    "504": "The outcome is unknown: query the order",
}


def describe(document: dict[str, Any], endpoints: tuple[Endpoint[Any], ...]) -> dict[str, Any]:
    """Add the endpoints to an OpenAPI document and return it."""
    components = document.setdefault("components", {})
    components.setdefault("schemas", {})["Error"] = ERROR
    components.setdefault("securitySchemes", {}).update(
        ApiKey={"type": "apiKey", "in": "header", "name": "X-MBX-APIKEY"},
        Session={"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
    )
    for endpoint in endpoints:
        path = document.setdefault("paths", {}).setdefault(endpoint.path, {})
        path[endpoint.method.lower()] = _operation(endpoint)
    return document


def _operation(endpoint: Endpoint[Any]) -> dict[str, Any]:
    signed = endpoint.security is not Security.NONE and endpoint.is_signed
    operation: dict[str, Any] = {
        "summary": endpoint.summary,
        "operationId": f"{endpoint.method.lower()}{endpoint.path.replace('/', '_')}",
        "tags": [endpoint.path.split("/")[1]],
        "parameters": _parameters(endpoint, signed=signed),
        "responses": {
            "200": {"description": "Success", "content": {"application/json": {"schema": endpoint.answer}}},
            **{
                status: {
                    "description": text,
                    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
                }
                for status, text in _ERRORS.items()
            },
        },
    }
    operation["description"] = _cost(charge_of(endpoint.method, endpoint.path))
    if not endpoint.is_signed:
        operation["security"] = [{"ApiKey": []}]
        operation["description"] += (
            f" Needs an API key with the permission `{endpoint.security.value}` and no signature."
        )
    elif signed:
        operation["security"] = [{"ApiKey": []}, {"Session": []}]
        operation["description"] += (
            f" Needs the permission `{endpoint.security.value}`. With an API key, `timestamp` and `signature` are "
            "mandatory; with a session's bearer token they are not used."
        )
    return operation


def _cost(charge: Charge) -> str:
    """What the endpoint takes of the rate limits, where they are in force."""
    weight = f"Weight {charge.weight}" if isinstance(charge.weight, int) else "The weight depends on the parameters"
    free = ", none on success" if charge.free_on_success else ""
    orders = f"; unfilled order count {charge.orders}" if charge.orders else ""
    return f"{weight}{free}{orders}."


def _parameters(endpoint: Endpoint[Any], *, signed: bool) -> list[dict[str, Any]]:
    schema = endpoint.parameters.model_json_schema()
    required = set(schema.get("required", ()))
    fields: dict[str, FieldInfo] = endpoint.parameters.model_fields
    own = [
        {
            "name": name,
            "in": "query",
            "required": name in required,
            "schema": _without_null(schema["properties"][name]),
        }
        for name in (str(field.alias) for field in fields.values())
    ]
    signing = [
        {"name": name, "in": "query", "required": False, "schema": kind, "description": text}
        for name, kind, _mandatory, text in _SIGNING
        if signed
    ]
    return own + signing


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """An optional parameter is left out, never null."""
    choices = [choice for choice in schema.get("anyOf", ()) if choice != {"type": "null"}]
    return choices[0] if len(choices) == 1 else {key: value for key, value in schema.items() if key != "title"}
