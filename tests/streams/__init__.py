"""What reaches clients over WebSockets, from a running exchange."""
