"""Unmodified client libraries against a running exchange: only their base URL is set."""
