"""OpenAPI links: which call can follow from what an answer holds, for the documents of all services.

Each service has a table of them in its ``links`` module. They tell a reader how calls hang together, and let whoever
fuzzes the API go on with what it was given instead of making up ids.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from fastapi import FastAPI


class Link(NamedTuple):
    """After ``after`` was answered with ``status``, ``then`` can be called with these parts of request and answer."""

    after: str
    status: int
    then: str
    parameters: Mapping[str, str] = {}
    body: Mapping[str, Any] = {}


def add_links(app: FastAPI, links: Sequence[Link]) -> None:
    """Write them into the document of ``app``, whose routes are complete."""
    generate = app.openapi

    def complete() -> dict[str, Any]:
        document = generate()
        operations = {
            operation["operationId"]: operation for path in document["paths"].values() for operation in path.values()
        }
        for link in links:
            assert link.then in operations, f"a link leads to {link.then}, which is no operation"
            answer = operations[link.after]["responses"][str(link.status)]
            described: dict[str, Any] = {"operationId": link.then, "parameters": dict(link.parameters)}
            if link.body:
                described["requestBody"] = dict(link.body)
            answer.setdefault("links", {})[link.then] = described
        return document

    app.openapi = complete  # type: ignore[method-assign]


def of_body(**fields: str) -> dict[str, str]:
    """Parameters, or fields of a body, from where they are in the answer's body."""
    return {name: f"$response.body#/{pointer}" for name, pointer in fields.items()}
