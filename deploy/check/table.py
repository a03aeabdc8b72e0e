"""What is checked, in order of cost. Each part of the deployment adds its checks from a module of its own."""

from typing import Final

from deploy.check import chart, compose, containers, contract, faults, gitops, kong_file, lint, play, workflows
from deploy.check.check import Check
from deploy.check.tools import (
    ACTIONLINT,
    BUILDAH,
    CHECK_JSONSCHEMA,
    CYCLONEDX,
    DEBOOTSTRAP,
    ENVOY,
    HADOLINT,
    HELM,
    KUBERNETES_VALIDATE,
    NGINX,
    NODE,
    PODMAN,
    PODMAN_COMPOSE,
    YAMLLINT,
)

CHECKS: Final = (
    Check("routes", (), 1, kong_file.is_made_from_the_table),
    Check("kong", (), 1, kong_file.is_valid),
    Check("dockerfile", (HADOLINT,), 1, lint.dockerfile),
    Check("yaml", (YAMLLINT,), 3, lint.yaml),
    Check("compose", (CHECK_JSONSCHEMA, PODMAN_COMPOSE), 3, compose.is_consistent),
    Check("workflows", (ACTIONLINT, CHECK_JSONSCHEMA), 3, workflows.are_sound),
    Check("sbom", (CYCLONEDX,), 2, containers.bill_of_materials),
    Check("chart-lint", (HELM,), 2, chart.is_linted),
    Check("chart-rules", (HELM,), 2, chart.keeps_house_rules),
    Check("chart-snapshots", (HELM,), 1, chart.is_as_last_agreed),
    Check("argocd", (HELM, NODE), 5, gitops.is_consistent),
    Check("chart-schemas", (HELM, KUBERNETES_VALIDATE, NODE), 20, chart.fits_schemas),
    Check("nginx", (NGINX,), 25, contract.nginx_keeps_the_contract),
    Check("envoy", (ENVOY,), 25, contract.envoy_keeps_the_contract),
    Check("faults", (), 90, faults.are_found),
    Check("image", (PODMAN, BUILDAH, DEBOOTSTRAP), 90, containers.is_built),
    Check("play", (PODMAN, BUILDAH, DEBOOTSTRAP, HELM), 90, play.trades),
)
