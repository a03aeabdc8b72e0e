"""How Crossbook is deployed, and how that is checked. Not part of the installed package: run from the repository."""
