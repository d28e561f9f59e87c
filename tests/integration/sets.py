"""The PodCliqueSets that these tests work with, as users write them, and what tests ask of them."""

from collections.abc import Iterable
from typing import Any

from tests.support.controlplane import Object

Body = dict[str, Any]
CPU = [
    {
        "type": "Resource",
        "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 70}},
    }
]


def a_clique(name: str, replicas: int = 1, minimum: int | None = None, **spec: Any) -> Body:
    """`requests` in `spec` is what a pod asks for; the rest goes into the clique's spec."""
    requests = spec.pop("requests", {"cpu": "10m"})
    limits = {key: value for key, value in requests.items() if "/" in key}
    container = {
        "name": "app",
        "image": f"registry.example/{name}:1",
        "resources": {"requests": requests, **({"limits": limits} if limits else {})},
    }
    return {
        "name": name,
        "spec": {
            "roleName": name,
            "replicas": replicas,
            "minAvailable": replicas if minimum is None else minimum,
            "podSpec": {"containers": [container]},
            **spec,
        },
    }


def a_group(
    name: str, cliques: list[str], replicas: int = 1, minimum: int = 1, **rest: Any
) -> Body:
    return {
        "name": name,
        "cliqueNames": cliques,
        "replicas": replicas,
        "minAvailable": minimum,
        **rest,
    }


def a_set(
    name: str, cliques: Iterable[Body], groups: Iterable[Body] = (), replicas: int = 1
) -> Body:
    return {
        "apiVersion": "grove.io/v1alpha1",
        "kind": "PodCliqueSet",
        "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "template": {
                "cliques": list(cliques),
                "podCliqueScalingGroups": list(groups),
                "headlessServiceConfig": {"publishNotReadyAddresses": True},
            },
        },
    }


def tide(replicas: int = 1, *, autoscaled: bool = True) -> Body:
    """A router of its own, and three crews of leader and two workers, of which two are vital."""
    scaling = {"minReplicas": 2, "maxReplicas": 5, "metrics": CPU}
    crew_scaling = {"minReplicas": 3, "maxReplicas": 6, "metrics": CPU}
    router = a_clique("router", 2, 1, **({"autoScalingConfig": scaling} if autoscaled else {}))
    router |= {"labels": {"tier": "front"}, "annotations": {"example.org/color": "blue"}}
    crew = a_group("crew", ["lead", "oar"], 3, 2, annotations={"example.org/boat": "eight"})
    if autoscaled:
        crew["scaleConfig"] = crew_scaling
    made = a_set("tide", [router, a_clique("lead"), a_clique("oar", 2, 1)], [crew], replicas)
    made["metadata"] |= {"labels": {"team": "sea"}, "annotations": {"example.org/note": "spring"}}
    return made


def plain(name: str = "plain", pods: int = 2, replicas: int = 1, **spec: Any) -> Body:
    """One clique, nothing else."""
    return a_set(name, [a_clique("main", pods, 1, **spec)], replicas=replicas)


def big(pods: int, name: str = "big") -> Body:
    """About `pods` pods in two replicas, each a front and a group of gangs of four."""
    front = max(1, pods // 20)
    crews = max(2, (pods // 2 - front) // 4)
    cliques = [a_clique("front", front, 1), a_clique("lead"), a_clique("oar", 3, 2)]
    return a_set(name, cliques, [a_group("crew", ["lead", "oar"], crews, 1)], 2)


def conditions(body: Object | None) -> dict[str, Body]:
    """By type."""
    found = (body or {}).get("status", {}).get("conditions") or []
    return {item["type"]: item for item in found}


def has(body: Object | None, condition: str, status: str = "True") -> bool:
    return conditions(body).get(condition, {}).get("status") == status


def is_available(body: Object | None) -> bool:
    """All replicas, as of the newest spec."""
    if body is None:
        return False
    status = body.get("status", {})
    return bool(
        status.get("observedGeneration") == body["metadata"]["generation"]
        and status.get("availableReplicas") == body["spec"]["replicas"]
        and status.get("replicas", 0) == body["spec"]["replicas"]
    )
