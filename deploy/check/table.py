"""What is checked, in order of cost. Each part of the deployment adds its checks from a module of its own."""

from typing import Final

from deploy.check import chart, containers, contract, kong_file, lint, monitoring, terraform
from deploy.check.check import Check
from deploy.check.tools import (
    ALERTMANAGER,
    AMTOOL,
    BUILDAH,
    CHECKOV,
    CYCLONEDX,
    DEBOOTSTRAP,
    ENVOY,
    HADOLINT,
    HELM,
    KUBERNETES_VALIDATE,
    MOTO,
    NGINX,
    NODE,
    PODMAN,
    POSTGRES_EXPORTER,
    PROMETHEUS,
    PROMTOOL,
    REDIS_EXPORTER,
    TERRAFORM,
    YAMLLINT,
)

CHECKS: Final = (
    Check("routes", (), 1, kong_file.is_made_from_the_table),
    Check("kong", (), 1, kong_file.is_valid),
    Check("dockerfile", (HADOLINT,), 1, lint.dockerfile),
    Check("yaml", (YAMLLINT,), 3, lint.yaml),
    Check("sbom", (CYCLONEDX,), 2, containers.bill_of_materials),
    Check("terraform-format", (TERRAFORM,), 1, terraform.is_formatted),
    Check("panels", (PROMTOOL,), 1, monitoring.panels_can_be_asked),
    Check("prometheus", (PROMTOOL,), 1, monitoring.prometheus_is_configured),
    Check("alertmanager", (AMTOOL,), 1, monitoring.alertmanager_is_configured),
    Check("cost", (), 3, monitoring.costs_what_it_says),
    Check("rules", (PROMTOOL,), 6, monitoring.rules_are_right),
    Check("chart-lint", (HELM,), 2, chart.is_linted),
    Check("chart-rules", (HELM,), 2, chart.keeps_house_rules),
    Check("chart-snapshots", (HELM,), 1, chart.is_as_last_agreed),
    Check("chart-schemas", (HELM, KUBERNETES_VALIDATE, NODE), 20, chart.fits_schemas),
    Check("terraform-valid", (TERRAFORM,), 20, terraform.is_valid),
    Check("checkov", (CHECKOV,), 25, terraform.satisfies_checkov),
    Check("terraform-tests", (TERRAFORM,), 60, terraform.passes_its_tests),
    Check("nginx", (NGINX,), 25, contract.nginx_keeps_the_contract),
    Check("envoy", (ENVOY,), 25, contract.envoy_keeps_the_contract),
    Check(
        "monitoring-live",
        (PROMETHEUS, ALERTMANAGER, POSTGRES_EXPORTER, REDIS_EXPORTER),
        90,
        monitoring.works_live,
    ),
    Check("image", (PODMAN, BUILDAH, DEBOOTSTRAP), 90, containers.is_built),
    Check("terraform-apply", (TERRAFORM, MOTO), 240, terraform.can_be_applied, only_by_name=True),
)
