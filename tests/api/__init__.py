"""The REST API as clients see it: raw HTTP against a running exchange."""
