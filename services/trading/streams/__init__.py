"""WebSockets: connections, what is said on them, and how one message reaches many."""
