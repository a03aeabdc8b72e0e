"""How the auth service uses its database: as every service does."""

from services.infra.transactions import Connection, NoFreeConnection, transaction

__all__ = ["Connection", "NoFreeConnection", "transaction"]
