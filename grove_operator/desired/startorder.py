"""The init container that holds a pod back until the PodCliques that it starts after are ready.

Its program is `waiter.py`, its rights are in `desired/access.py`. It joins the user's init
containers as the last one: what they prepare is prepared while the parents start, and a sidecar
among them runs already.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from grove_operator.api import labels, names
from grove_operator.api.numbers import whole_number

Needs = Sequence[tuple[str, int]]
"""Names of PodCliques, and how many ready pods of each are waited for."""

CONTAINER: Final = "grove-initc"
_TOKEN_VOLUME: Final = "sa-token-secret-vol"  # noqa: S105 - a volume's name, not a secret
_FACTS_VOLUME: Final = "pod-info-vol"
_MODE: Final = 420
_USER: Final = 65532
"""The waiter's image names it; said again only where the pod says root."""
_MODEST: Final = {"cpu": "10m", "memory": "32Mi"}
_LIMITED: Final = {"cpu": "100m", "memory": "64Mi"}


def image_reference(image: str, version: str) -> str:
    """The image with the operator's version as its tag, unless it has a tag or digest already."""
    if not image or "@" in image or ":" in image.rpartition("/")[2]:
        return image
    return f"{image}:{version}"


def tell_needs(needs: Needs) -> str:
    """The text form that a pod carries as an annotation."""
    return ",".join(f"{name}:{count}" for name, count in needs)


def read_needs(text: str) -> dict[str, int]:
    """What `tell_needs` wrote; what a user has broken in it is left out."""
    pairs = (item.rpartition(":") for item in text.split(","))
    needs = ((name, whole_number(count)) for name, _, count in pairs)
    return {name: count for name, count in needs if name and count is not None}


def with_waiter(
    pod_spec: Mapping[str, Any], set_name: str, image: str, needs: Needs
) -> dict[str, Any]:
    """A copy of the pod spec whose own containers start after what it needs."""
    own = pod_spec.get("initContainers") or ()
    return {
        **pod_spec,
        "initContainers": [*own, _container(pod_spec, image, needs)],
        "volumes": [*(pod_spec.get("volumes") or ()), *_volumes(set_name)],
    }


def _container(pod_spec: Mapping[str, Any], image: str, needs: Needs) -> dict[str, Any]:
    container = {
        "name": CONTAINER,
        "image": image,
        "args": [f"--podcliques={name}:{count}" for name, count in needs],
        "volumeMounts": [
            {"name": _FACTS_VOLUME, "mountPath": "/var/grove/pod-info", "readOnly": True},
            {
                "name": _TOKEN_VOLUME,
                "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount",
                "readOnly": True,
            },
        ],
        "securityContext": _security(pod_spec),
    }
    if resources := _resources(pod_spec):
        container["resources"] = resources
    return container


def _security(pod_spec: Mapping[str, Any]) -> dict[str, Any]:
    """What the restricted pod security standard asks for, whatever the pod says of itself."""
    context: dict[str, Any] = {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
        "runAsNonRoot": True,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    if (pod_spec.get("securityContext") or {}).get("runAsUser") == 0:
        context["runAsUser"] = _USER
    return context


def _resources(pod_spec: Mapping[str, Any]) -> dict[str, Any]:
    """So little that it never counts, in the form that keeps the pod's quality of service.

    A guaranteed pod must limit each container, one of best effort may not even ask for anything.
    """
    if pod_spec.get("resources"):
        return {}  # they hold for the whole pod
    containers = [*(pod_spec.get("initContainers") or ()), *pod_spec["containers"]]
    given = [container.get("resources") or {} for container in containers]
    if all(_has_both(item.get("limits")) for item in given):
        return {"requests": _LIMITED, "limits": _LIMITED}
    if any(_has_any(item) for item in given):
        return {"requests": _MODEST}
    return {}


def _has_both(amounts: Mapping[str, Any] | None) -> bool:
    return all(name in (amounts or {}) for name in _LIMITED)


def _has_any(resources: Mapping[str, Any]) -> bool:
    given: Iterable[str] = [*(resources.get("requests") or ()), *(resources.get("limits") or ())]
    return any(name in _LIMITED for name in given)


def _volumes(set_name: str) -> list[dict[str, Any]]:
    gang = f"metadata.labels['{labels.PODGANG}']"
    facts = [
        {"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}},
        {"path": "podgangname", "fieldRef": {"apiVersion": "v1", "fieldPath": gang}},
    ]
    token = {"secretName": names.token_secret_name(set_name), "defaultMode": _MODE}
    return [
        {"name": _TOKEN_VOLUME, "secret": token},
        {"name": _FACTS_VOLUME, "downwardAPI": {"items": facts, "defaultMode": _MODE}},
    ]
