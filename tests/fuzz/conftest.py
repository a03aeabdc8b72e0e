"""Property tests run as many examples as the profile says; CROSSBOOK_FUZZ_EXAMPLES raises that (``make fuzz``)."""

import os

from hypothesis import settings

import tests.profiles  # noqa: F401 (registers the profiles)

EXAMPLES = os.environ.get("CROSSBOOK_FUZZ_EXAMPLES")

if EXAMPLES is not None:
    settings.register_profile("fuzz", parent=settings.get_profile("ci"), max_examples=int(EXAMPLES))
    settings.load_profile("fuzz")
