"""How an attempt can end other than well. The texts are stored and shown to operators: no addresses, no contents.

Anything else that is raised counts as a failure that may pass.
"""


class Failed(Exception):
    """It may work later."""


class Refused(Exception):
    """It will not work like this; an operator must look at it."""


class NotWanted(Exception):
    """There is nobody to send it to (any more)."""
