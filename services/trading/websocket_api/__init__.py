"""The WebSocket API: the requests of REST over one connection (compatibility reference section 8)."""
