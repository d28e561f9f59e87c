"""The GROVE_ variables, always first, so that a user's own variables and commands can use them."""

from collections.abc import Sequence
from typing import Any

from grove_operator.api import labels

Variable = dict[str, Any]


def _label(name: str, key: str) -> Variable:
    return {
        "name": name,
        "valueFrom": {"fieldRef": {"fieldPath": f"metadata.labels['{key}']"}},
    }


def group_environment(pods: int) -> list[Variable]:
    """What a pod of a scaling group knows of its group; `pods` is the size of one group replica."""
    return [
        _label(labels.ENV_GROUP_NAME, labels.SCALING_GROUP),
        {"name": labels.ENV_GROUP_PODS, "value": str(pods)},
        _label(labels.ENV_GROUP_INDEX, labels.GROUP_REPLICA_INDEX),
    ]


def pod_environment(set_name: str, replica: int, clique: str, address: str) -> list[Variable]:
    """What every pod knows of its place in the set."""
    index = _label(labels.ENV_POD_INDEX, labels.POD_INDEX)
    index["valueFrom"]["fieldRef"]["apiVersion"] = "v1"
    return [
        {"name": labels.ENV_SET_NAME, "value": set_name},
        {"name": labels.ENV_SET_INDEX, "value": str(replica)},
        {"name": labels.ENV_CLIQUE_NAME, "value": clique},
        {"name": labels.ENV_HEADLESS_SERVICE, "value": address},
        index,
    ]


def with_environment(pod_spec: dict[str, Any], variables: Sequence[Variable]) -> dict[str, Any]:
    """A copy of the pod spec with `variables` first in all containers and init containers.

    A user's variable of the same name is dropped: ours must be right.
    """
    taken = {variable["name"] for variable in variables}
    result = dict(pod_spec)
    for field in ("initContainers", "containers"):
        if field in pod_spec:
            result[field] = [
                container
                | {
                    "env": [
                        *variables,
                        *(item for item in container.get("env") or () if item["name"] not in taken),
                    ]
                }
                for container in pod_spec[field]
            ]
    return result
