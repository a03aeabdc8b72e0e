"""The web terminal in a real browser against a running exchange, and how the exchange serves it."""
