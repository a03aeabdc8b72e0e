"""The core: table-driven cases, a naive reference exchange, random commands, replay and snapshots."""
