"""How the auth service keeps API secrets and signing keys: as every service seals its own."""

from services.infra.sealing import CannotOpen, Seal

__all__ = ["CannotOpen", "Seal"]
