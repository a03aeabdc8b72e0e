"""What ends a command of ``crossbook`` with a message and no traceback."""


class CommandFailed(Exception):
    """The message says what is wrong and what to do about it. Each part has a kind of its own."""
