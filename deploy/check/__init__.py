"""``make deploy-check``: check everything that deploys Crossbook, as far as that goes without a cloud.

``table.py`` names the checks in order of cost. ``check.py`` runs them, ``tools.py`` finds what they run,
``install.py`` (``make deploy-tools``) brings that. To add a check: a function from the repository's root to one line
that says what was seen, raising ``Failed`` otherwise, and a line in the table.
"""
