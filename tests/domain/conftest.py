"""Property tests of the vocabulary."""

import tests.profiles  # noqa: F401
