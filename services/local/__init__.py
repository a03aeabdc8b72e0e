"""The one-machine run: embedded PostgreSQL and Redis, a supervisor, demo data, and the ``crossbook`` command."""
