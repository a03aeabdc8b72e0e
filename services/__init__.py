"""Crossbook: a spot exchange that anyone can run. ARCHITECTURE.md is the map."""

from services import compiled

compiled.install()
