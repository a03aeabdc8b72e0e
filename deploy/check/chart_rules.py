"""What no schema knows: rules of the house that every rendering of the chart keeps.

Each is a function from the rendered manifests to complaints.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from deploy.check import service_settings

Manifests = Sequence[Mapping[str, Any]]
Rule = Callable[[Manifests], Iterator[str]]
_BY_HAND: Final = {
    f"CROSSBOOK_{name}" for name in ("DATABASE_URL", "REDIS_URL", "INTERNAL_TOKEN", "ENCRYPTION_KEY", "REPLICA_URL")
}
_COMPONENT: Final = "app.kubernetes.io/component"
_WORKLOADS: Final = ("CronJob", "Deployment", "StatefulSet", "Job")


def names_are_unique(manifests: Manifests) -> Iterator[str]:
    names = [(manifest["kind"], manifest["metadata"]["name"]) for manifest in manifests]
    yield from (f"{kind}/{name} is there twice" for kind, name in sorted({n for n in names if names.count(n) > 1}))


def pods_are_restricted(manifests: Manifests) -> Iterator[str]:
    """The restricted Pod Security Standard, and a root that cannot be written."""
    for name, pod in _pods(manifests):
        security = pod["securityContext"]
        if not (security["runAsNonRoot"] and security["seccompProfile"]["type"] == "RuntimeDefault"):
            yield f"{name} may run as root or without a seccomp profile"
        if pod.get("automountServiceAccountToken") is not False:
            yield f"{name} is given a token for the Kubernetes API"
        for container in pod["containers"]:
            security = container["securityContext"]
            if security["allowPrivilegeEscalation"] or not security["readOnlyRootFilesystem"]:
                yield f"{name}/{container['name']} may escalate or write to its root"
            if security["capabilities"] != {"drop": ["ALL"]}:
                yield f"{name}/{container['name']} has capabilities"


def containers_are_bounded(manifests: Manifests) -> Iterator[str]:
    for name, pod in _pods(manifests):
        for container in pod["containers"]:
            resources = container["resources"]
            if set(resources["requests"]) != {"cpu", "memory"} or "memory" not in resources["limits"]:
                yield f"{name}/{container['name']} lacks requests or a limit of memory"


def servers_have_probes(manifests: Manifests) -> Iterator[str]:
    for manifest in _of(manifests, "Deployment", "StatefulSet"):
        pod = manifest["spec"]["template"]["spec"]
        for container in pod["containers"]:
            lacking = {"startupProbe", "livenessProbe", "readinessProbe"} - set(container)
            if lacking:
                yield f"{manifest['metadata']['name']} lacks {', '.join(sorted(lacking))}"


def pods_have_time_to_stop(manifests: Manifests) -> Iterator[str]:
    """What is open may end before the process is killed."""
    for name, pod in _pods(_services(manifests)):
        container = pod["containers"][0]
        environment = {variable["name"]: variable.get("value") for variable in container["env"]}
        drain_s = container.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
        needed_s = drain_s + int(environment["CROSSBOOK_SHUTDOWN_TIMEOUT_S"])
        if pod["terminationGracePeriodSeconds"] <= needed_s:
            yield f"{name} needs {needed_s} s to stop and has {pod['terminationGracePeriodSeconds']} s"


def services_are_told_what_they_must_know(manifests: Manifests) -> Iterator[str]:
    """By their own settings; what secrets bring is known where they are made here."""
    secret_keys = {
        secret["metadata"]["name"]: set(secret["spec"]["target"]["template"]["data"])
        for secret in _of(manifests, "ExternalSecret")
    }
    for name, pod in _pods(_services(manifests)):
        container = pod["containers"][0]
        told = {variable["name"] for variable in container["env"]}
        sources = [source["secretRef"]["name"] for source in container["envFrom"]]
        for source in sources:
            # Made by hand, it has what templates/secrets.yaml would put there.
            told |= secret_keys.get(source, _BY_HAND)
        found = service_settings.complaints(container["args"][0], told)
        known = _BY_HAND if not secret_keys else set()
        yield from (f"{name}: {complaint}" for complaint in found if complaint.split()[-1] not in known)


def references_lead_somewhere(manifests: Manifests) -> Iterator[str]:
    there = {(manifest["kind"], manifest["metadata"]["name"]) for manifest in manifests}
    external = any(kind == "ExternalSecret" for kind, _ in there)
    for name, pod in _pods(manifests):
        if ("ServiceAccount", pod["serviceAccountName"]) not in there:
            yield f"{name} runs as {pod['serviceAccountName']}, which does not exist"
        for source in pod["containers"][0].get("envFrom", []):
            if external and ("ExternalSecret", source["secretRef"]["name"]) not in there:
                yield f"{name} reads secret {source['secretRef']['name']}, which nobody makes"
    for route in _of(manifests, "HTTPRoute"):
        plugins = route["metadata"]["annotations"]["konghq.com/plugins"].split(",")
        yield from (f"{_name(route)}: no plugin {plugin}" for plugin in plugins if ("KongPlugin", plugin) not in there)
        backends = [backend["name"] for rule in route["spec"]["rules"] for backend in rule["backendRefs"]]
        yield from (f"{_name(route)}: no service {name}" for name in backends if ("Service", name) not in there)
    for scaler in _of(manifests, "HorizontalPodAutoscaler"):
        target = scaler["spec"]["scaleTargetRef"]
        if (target["kind"], target["name"]) not in there:
            yield f"{_name(scaler)} scales {target['name']}, which does not exist"


def every_workload_has_what_it_needs(manifests: Manifests) -> Iterator[str]:
    """A budget for disruptions if it serves anybody; where the cluster has them, a network policy and a monitor."""
    there = {(manifest["kind"], manifest["metadata"]["name"]) for manifest in manifests}
    for workload in _of(manifests, "Deployment", "StatefulSet"):
        name = _name(workload).removesuffix("-canary")
        wanted = ["PodDisruptionBudget"] if workload in _services(manifests) else []
        wanted += [
            kind for kind in ("NetworkPolicy", "ServiceMonitor") if any(there_kind == kind for there_kind, _ in there)
        ]
        yield from (f"{name} has no {kind}" for kind in wanted if (kind, name) not in there)


def selectors_select(manifests: Manifests) -> Iterator[str]:
    """Every service, budget and policy of one component selects pods that there are."""
    labels = [_template(workload)["metadata"]["labels"] for workload in _of(manifests, *_WORKLOADS)]
    for manifest in _of(manifests, "Service", "PodDisruptionBudget", "NetworkPolicy"):
        spec = manifest["spec"]
        selector = spec.get("podSelector", spec.get("selector", {}))
        wanted = selector.get("matchLabels", selector if manifest["kind"] == "Service" else {})
        if not any(wanted.items() <= found.items() for found in labels):
            yield f"{manifest['kind']}/{_name(manifest)} selects no pod"


def engines_are_never_both_away(manifests: Manifests) -> Iterator[str]:
    for engine in _of(manifests, "StatefulSet"):
        probe = engine["spec"]["template"]["spec"]["containers"][0]["readinessProbe"]["httpGet"]["path"]
        if probe != "/health/fit":
            yield "a standby engine would never be ready, and hold up rollouts and drains"
        if engine["spec"]["podManagementPolicy"] != "Parallel":
            yield "the second engine would wait for the first"
    for budget in _of(manifests, "PodDisruptionBudget"):
        if _name(budget) == "crossbook-engine" and budget["spec"].get("maxUnavailable") != 1:
            yield "both engines might be evicted"


def internal_paths_have_no_route(manifests: Manifests) -> Iterator[str]:
    for route in _of(manifests, "HTTPRoute"):
        for rule in route["spec"]["rules"]:
            for match in rule["matches"]:
                if (
                    match["path"]["value"].startswith(("/internal", "/metrics", "/health"))
                    or match["path"]["value"] == "/"
                ):
                    yield f"{_name(route)} leads to {match['path']['value']}"
            if len(rule["matches"]) > 64:
                yield f"{_name(route)} has more matches than the API takes"


def _of(manifests: Manifests, *kinds: str) -> list[Mapping[str, Any]]:
    return [manifest for manifest in manifests if manifest["kind"] in kinds]


def _services(manifests: Manifests) -> list[Mapping[str, Any]]:
    """What runs from our image and stays."""
    found = _of(manifests, "Deployment", "StatefulSet")
    return [manifest for manifest in found if manifest["metadata"]["labels"].get(_COMPONENT) != "exporter"]


def _pods(manifests: Manifests) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for manifest in _of(manifests, *_WORKLOADS):
        yield _name(manifest), _template(manifest)["spec"]


def _template(workload: Mapping[str, Any]) -> Mapping[str, Any]:
    """Of the pods that it makes."""
    spec = workload["spec"]
    template: Mapping[str, Any] = spec["jobTemplate"]["spec"]["template"] if "jobTemplate" in spec else spec["template"]
    return template


def _name(manifest: Mapping[str, Any]) -> str:
    return str(manifest["metadata"]["name"])


RULES: Final[tuple[Rule, ...]] = (
    names_are_unique,
    pods_are_restricted,
    containers_are_bounded,
    servers_have_probes,
    pods_have_time_to_stop,
    services_are_told_what_they_must_know,
    references_lead_somewhere,
    every_workload_has_what_it_needs,
    selectors_select,
    engines_are_never_both_away,
    internal_paths_have_no_route,
)
