"""Crossbook: a spot exchange that anyone can run. ARCHITECTURE.md is the map."""
