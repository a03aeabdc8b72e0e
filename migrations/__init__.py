"""One history for the whole database. ``crossbook migrate`` and ``services.local.migrate.upgrade`` run it."""
