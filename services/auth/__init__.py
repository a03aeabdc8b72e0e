"""Who is asking: accounts, sessions, access tokens and API keys. The only writer of schema ``auth``."""
