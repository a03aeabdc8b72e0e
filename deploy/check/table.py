"""What is checked, in order of cost. Each part of the deployment adds its checks from a module of its own."""

from typing import Final

from deploy.check import lint
from deploy.check.check import Check
from deploy.check.tools import HADOLINT, YAMLLINT

CHECKS: Final = (
    Check("dockerfile", (HADOLINT,), 1, lint.dockerfile),
    Check("yaml", (YAMLLINT,), 3, lint.yaml),
)
