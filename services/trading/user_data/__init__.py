"""User data: what happens to an account, told to whoever may follow it."""
