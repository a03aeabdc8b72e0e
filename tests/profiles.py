"""Hypothesis profiles: ``ci``, unless ``HYPOTHESIS_PROFILE=dev`` asks for the quick one: nothing runs less by accident.

A package with property tests imports this module in its ``conftest.py``.
"""

import os

from hypothesis import HealthCheck, settings

# No deadlines: how fast a machine happens to be is nothing a test may fail on.
_ci = settings(max_examples=100, stateful_step_count=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", parent=_ci)
settings.register_profile("dev", parent=_ci, max_examples=20)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))
