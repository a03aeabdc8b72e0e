"""The smallest FastAPI service: a POST route that does nothing, run as every service here is (``services.infra.web``).

``python -m loadtests.empty``, configured by CROSSBOOK_* variables. It shows what a framework costs before any work.
"""

from typing import Final

from fastapi import FastAPI

from services.infra import web
from services.infra.memory import settle_memory
from services.infra.settings import ServiceSettings

PATH: Final = "/empty"


async def empty() -> dict[str, str]:
    return {}


def main() -> None:
    app = FastAPI()
    app.add_api_route(PATH, empty, methods=["POST"])
    settle_memory()
    web.run(app, ServiceSettings())


if __name__ == "__main__":
    main()
