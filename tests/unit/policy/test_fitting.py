"""Whether a node may take a pod at all."""

from typing import Any

import pytest

from grove_operator.observed import Node, Taint
from grove_operator.policy.fitting import obstacle, tally_obstacles

NODE = Node(
    name="n1",
    labels={"pool": "gold", "age": "3"},
    taints=(Taint("gpu", "yes", "NoSchedule"),),
)
TOLERANT = {"tolerations": [{"operator": "Exists"}]}


def affinity(*expressions: dict[str, Any], fields: Any = None) -> dict[str, Any]:
    term: dict[str, Any] = {"matchExpressions": list(expressions)}
    if fields:
        term["matchFields"] = fields
    required = {"nodeSelectorTerms": [term]}
    key = "requiredDuringSchedulingIgnoredDuringExecution"
    return TOLERANT | {"affinity": {"nodeAffinity": {key: required}}}


def on(key: str, operator: str, *values: str) -> dict[str, Any]:
    return affinity({"key": key, "operator": operator, "values": list(values)})


OUTSIDE = "outside the node affinity"
CASES: dict[str, tuple[dict[str, Any], str]] = {
    "tolerates everything": (TOLERANT, ""),
    "tolerates nothing": ({}, "with the taint gpu=yes"),
    "tolerates the taint": ({"tolerations": [{"key": "gpu", "value": "yes"}]}, ""),
    "tolerates the key": ({"tolerations": [{"key": "gpu", "operator": "Exists"}]}, ""),
    "tolerates another value": (
        {"tolerations": [{"key": "gpu", "value": "no"}]},
        "with the taint gpu=yes",
    ),
    "tolerates another effect": (
        {"tolerations": [{"operator": "Exists", "effect": "NoExecute"}]},
        "with the taint gpu=yes",
    ),
    "selects it": (TOLERANT | {"nodeSelector": {"pool": "gold"}}, ""),
    "selects others": (
        TOLERANT | {"nodeSelector": {"pool": "tin"}},
        "without the label pool=tin",
    ),
    "In": (on("pool", "In", "gold", "tin"), ""),
    "In, others": (on("pool", "In", "tin"), OUTSIDE),
    "NotIn": (on("pool", "NotIn", "gold"), OUTSIDE),
    "NotIn, without the label": (on("rack", "NotIn", "a"), ""),
    "Exists": (on("pool", "Exists"), ""),
    "DoesNotExist": (on("pool", "DoesNotExist"), OUTSIDE),
    "Gt": (on("age", "Gt", "2"), ""),
    "Gt, not a number": (on("pool", "Gt", "2"), OUTSIDE),
    "Lt": (on("age", "Lt", "3"), OUTSIDE),
    "by its name": (
        affinity(fields=[{"key": "metadata.name", "operator": "In", "values": ["n1"]}]),
        "",
    ),
    "an empty term": (affinity(), OUTSIDE),
}


@pytest.mark.parametrize(("pod_spec", "expected"), CASES.values(), ids=CASES)
def test_a_pod_that(pod_spec: dict[str, Any], expected: str) -> None:
    assert obstacle(pod_spec, NODE) == expected


def test_the_commonest_obstacles_are_told_first() -> None:
    assert tally_obstacles(["a", "b", "b"]) == "2 b, 1 a"
    assert tally_obstacles("abcdd") == "2 d, 1 a, 1 b, 1 for other reasons"
