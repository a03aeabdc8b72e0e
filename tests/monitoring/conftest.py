"""What an auth process with a database of its own is told."""

import base64
import secrets

import pytest

from services.local.embedded import EmbeddedPostgres
from tests.monitoring.auth_process import RELEASE


@pytest.fixture
def environment(embedded_postgres: EmbeddedPostgres, postgres_url: str, redis_url: str) -> dict[str, str]:
    database = postgres_url.split("@/")[1].split("?")[0]
    return {
        "CROSSBOOK_DATABASE_URL": embedded_postgres.url(database, "crossbook_auth"),
        "CROSSBOOK_REDIS_URL": redis_url,
        "CROSSBOOK_INTERNAL_TOKEN": secrets.token_hex(16),
        "CROSSBOOK_ENCRYPTION_KEY": base64.b64encode(secrets.token_bytes(32)).decode(),
        "CROSSBOOK_ENVIRONMENT": "drill",
        "CROSSBOOK_RELEASE": RELEASE,
    }
