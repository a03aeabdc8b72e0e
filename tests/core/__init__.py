"""The core: table-driven cases, a naive reference exchange, random commands, replay and snapshots."""

import pytest

# So that a difference is shown in full, though these modules hold no tests of their own.
pytest.register_assert_rewrite("tests.core.comparison", "tests.core.fold")
