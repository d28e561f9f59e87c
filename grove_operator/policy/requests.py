"""What one pod takes of a node, as the scheduler counts it."""

from collections.abc import Iterable, Mapping
from typing import Any

from grove_operator.api.quantities import PODS, add, amounts


def pod_requests(pod_spec: Mapping[str, Any]) -> dict[str, int]:
    """Containers and sidecars run together; the others of initialization one after another."""
    sidecars: dict[str, int] = {}
    highest: dict[str, int] = {}
    for container in pod_spec.get("initContainers") or ():
        own = _requests(container)
        if container.get("restartPolicy") == "Always":
            sidecars = add((sidecars, own))
            highest = _larger(highest, sidecars)
        else:
            highest = _larger(highest, add((sidecars, own)))
    running = add((sidecars, *_all(pod_spec.get("containers") or ())))
    given = (pod_spec.get("resources") or {}).get("requests") or {}
    total = _larger(running, highest) | amounts(given)
    return add((total, amounts(pod_spec.get("overhead") or {}), {PODS: 1}))


def claims_of(pod_spec: Mapping[str, Any]) -> tuple[str, ...]:
    """The claims that must be there before a pod can be placed, by name."""
    volumes = (item.get("persistentVolumeClaim") or {} for item in pod_spec.get("volumes") or ())
    devices = (
        item.get("resourceClaimName") or item.get("resourceClaimTemplateName")
        for item in pod_spec.get("resourceClaims") or ()
    )
    names = (*(item.get("claimName") for item in volumes), *devices)
    return tuple(str(name) for name in names if name)


def _all(containers: Iterable[Mapping[str, Any]]) -> Iterable[dict[str, int]]:
    return map(_requests, containers)


def _requests(container: Mapping[str, Any]) -> dict[str, int]:
    """A limit without a request is a request."""
    resources = container.get("resources") or {}
    return amounts({**(resources.get("limits") or {}), **(resources.get("requests") or {})})


def _larger(one: Mapping[str, int], other: Mapping[str, int]) -> dict[str, int]:
    return {name: max(one.get(name, 0), other.get(name, 0)) for name in {**one, **other}}
