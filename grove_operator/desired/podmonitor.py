"""The PodMonitor of a set: has Prometheus scrape its pods and name their place on each sample.

Owns the choice of ports and the relabelling. Refuses to know whether anybody serves the API.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from grove_operator.api import labels
from grove_operator.desired.blueprint import CliqueBlueprint, SetBlueprint, child_metadata

API: Final = "monitoring.coreos.com/v1"
USUAL_PORTS: Final = ("metrics", "http")
"""Names under which vLLM, SGLang, Triton and others commonly serve metrics, best first."""
_SAMPLE_LABELS: Final = {
    "grove_set": labels.PART_OF,
    "grove_replica": labels.REPLICA_INDEX,
    "grove_gang": labels.PODGANG,
    "grove_group": labels.SCALING_GROUP,
    "grove_group_replica": labels.GROUP_REPLICA_INDEX,
    "grove_clique": labels.PODCLIQUE,
    "grove_pod_index": labels.POD_INDEX,
}
"""What a sample carries, and the pod's label that it comes from."""
ROLE: Final = "grove_role"


def scraped_cliques(blueprint: SetBlueprint) -> dict[str, tuple[CliqueBlueprint, ...]]:
    """By port: the cliques that are scraped there. A clique without a usable port is in none."""
    found: dict[str, tuple[CliqueBlueprint, ...]] = {}
    for clique in blueprint.by_name.values():
        port = _port_of(clique, blueprint.monitor.port if blueprint.monitor else "")
        if port:
            found[port] = (*found.get(port, ()), clique)
    return found


def build_monitor(blueprint: SetBlueprint) -> dict[str, Any] | None:
    """None if none is asked for, or no container has a port to scrape.

    It carries the set's labels, because a Prometheus may choose its monitors by labels.
    """
    by_port = scraped_cliques(blueprint)
    if blueprint.monitor is None or not by_port:
        return None
    metadata = child_metadata(blueprint, blueprint.name, labels.COMPONENT_POD_MONITOR)
    metadata["labels"] = dict(blueprint.mirrored_labels) | metadata["labels"]
    return {
        "apiVersion": API,
        "kind": "PodMonitor",
        "metadata": metadata,
        "spec": {
            "selector": {"matchLabels": blueprint.pair},
            "podMetricsEndpoints": [
                _endpoint(blueprint, port, cliques) for port, cliques in by_port.items()
            ],
        },
    }


def _port_of(clique: CliqueBlueprint, wanted: str) -> str:
    """The port to scrape, as it is declared; empty if the clique has none that is wanted."""
    declared = list(_ports(clique.spec["podSpec"]))
    names = [str(port.get("name") or "") for port in declared]
    if wanted:
        numbers = [str(port.get("containerPort")) for port in declared]
        return wanted if wanted in names or wanted in numbers else ""
    return next((name for name in USUAL_PORTS if name in names), "")


def _ports(pod_spec: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for container in pod_spec.get("containers") or ():
        yield from container.get("ports") or ()


def _endpoint(
    blueprint: SetBlueprint, port: str, cliques: Sequence[CliqueBlueprint]
) -> dict[str, Any]:
    monitor = blueprint.monitor
    assert monitor is not None
    endpoint: dict[str, Any] = {"portNumber": int(port)} if port.isdecimal() else {"port": port}
    endpoint["path"] = monitor.path
    if monitor.interval:
        endpoint["interval"] = monitor.interval
    endpoint["relabelings"] = list(_relabelings(blueprint, cliques))
    return endpoint


def _relabelings(
    blueprint: SetBlueprint, cliques: Sequence[CliqueBlueprint]
) -> Iterator[dict[str, Any]]:
    """A pod with several of the usual ports is scraped at one: its clique's."""
    clique_label = _meta(labels.PODCLIQUE)
    yield {
        "action": "keep",
        "sourceLabels": [clique_label],
        "regex": "|".join(_pattern(blueprint, clique) for clique in cliques),
    }
    for name, label in _SAMPLE_LABELS.items():
        yield {"action": "replace", "sourceLabels": [_meta(label)], "targetLabel": name}
    for role, members in _by_role(cliques).items():
        yield {
            "action": "replace",
            "sourceLabels": [clique_label],
            "regex": "|".join(_pattern(blueprint, clique) for clique in members),
            "targetLabel": ROLE,
            "replacement": role,
        }


def _by_role(cliques: Iterable[CliqueBlueprint]) -> dict[str, list[CliqueBlueprint]]:
    """A clique without a role plays its own part."""
    found: dict[str, list[CliqueBlueprint]] = {}
    for clique in cliques:
        found.setdefault(str(clique.spec.get("roleName") or clique.name), []).append(clique)
    return found


def _pattern(blueprint: SetBlueprint, clique: CliqueBlueprint) -> str:
    """Matches the names of all PodCliques of one template; Prometheus anchors it."""
    place = f"{clique.group}-[0-9]+-" if clique.group else ""
    return f"{blueprint.name}-[0-9]+-{place}{clique.name}".replace(".", r"\.")


def _meta(label: str) -> str:
    """How Prometheus calls a pod's label."""
    text = "".join(character if character.isalnum() else "_" for character in label)
    return f"__meta_kubernetes_pod_label_{text}"
