"""What is checked, in order of cost. Each part of the deployment adds its checks from a module of its own."""

from typing import Final

from deploy.check import contract, kong_file, lint
from deploy.check.check import Check
from deploy.check.tools import ENVOY, HADOLINT, NGINX, YAMLLINT

CHECKS: Final = (
    Check("routes", (), 1, kong_file.is_made_from_the_table),
    Check("kong", (), 1, kong_file.is_valid),
    Check("dockerfile", (HADOLINT,), 1, lint.dockerfile),
    Check("yaml", (YAMLLINT,), 3, lint.yaml),
    Check("nginx", (NGINX,), 25, contract.nginx_keeps_the_contract),
    Check("envoy", (ENVOY,), 25, contract.envoy_keeps_the_contract),
)
