"""The back office, met from outside on a running exchange."""
