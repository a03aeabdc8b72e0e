"""``python -m services.local`` is the ``crossbook`` command."""

from services.local.cli import main

main()
