"""Adapters to the outside (PostgreSQL, Redis, HTTP, logs, metrics) without business rules."""
