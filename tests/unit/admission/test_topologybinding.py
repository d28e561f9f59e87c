"""ClusterTopologyBindings: levels and schedulers, each once."""

from typing import Any

import pytest

from grove_operator.admission.submission import Policy
from grove_operator.admission.topologybinding import validate_topology_binding
from grove_operator.api.topology import ClusterTopologyBinding

ZONE, RACK = {"domain": "zone", "key": "example.org/zone"}, {"domain": "rack", "key": "rack"}


def bound(*levels: dict[str, str], schedulers: tuple[str, ...] = ()) -> ClusterTopologyBinding:
    spec: dict[str, Any] = {
        "levels": list(levels),
        "schedulerTopologyBindings": [
            {"schedulerName": name, "topologyReference": ""} for name in schedulers
        ],
    }
    return ClusterTopologyBinding.model_validate({"metadata": {"name": "dc"}, "spec": spec})


def at(index: int) -> str:
    return f"spec.schedulerTopologyBindings[{index}].schedulerName"


DISABLED = "scheduler backend is not enabled in Grove"
UNAWARE = "scheduler backend does not implement topology-aware scheduling"
CASES: dict[str, tuple[ClusterTopologyBinding, list[str]]] = {
    "two levels": (bound(ZONE, RACK), []),
    "a scheduler with a topology": (bound(ZONE, schedulers=("kai-scheduler",)), []),
    "a domain twice": (
        bound(ZONE, {"domain": "zone", "key": "rack"}),
        ['spec.levels[1].domain: Duplicate value: "zone"'],
    ),
    "a key twice": (
        bound(ZONE, RACK, {"domain": "host", "key": "rack"}),
        ['spec.levels[2].key: Duplicate value: "rack"'],
    ),
    "a level three times": (
        bound(RACK, RACK, RACK),
        [
            'spec.levels[1].domain: Duplicate value: "rack"',
            'spec.levels[1].key: Duplicate value: "rack"',
            'spec.levels[2].domain: Duplicate value: "rack"',
            'spec.levels[2].key: Duplicate value: "rack"',
        ],
    ),
    "a scheduler twice": (
        bound(ZONE, schedulers=("kai-scheduler", "kai-scheduler")),
        [f'{at(1)}: Duplicate value: "kai-scheduler"'],
    ),
    "a scheduler that is not enabled": (
        bound(ZONE, schedulers=("kai-scheduler", "volcano")),
        [f'{at(1)}: Invalid value: "volcano": {DISABLED}'],
    ),
    "one that is not enabled, twice": (
        bound(ZONE, schedulers=("volcano", "volcano")),
        [
            f'{at(0)}: Invalid value: "volcano": {DISABLED}',
            f'{at(1)}: Duplicate value: "volcano"',
            f'{at(1)}: Invalid value: "volcano": {DISABLED}',
        ],
    ),
    "a scheduler without a topology": (
        bound(ZONE, schedulers=("default-scheduler", "lpx-scheduler")),
        [
            f'{at(0)}: Invalid value: "default-scheduler": {UNAWARE}',
            f'{at(1)}: Invalid value: "lpx-scheduler": {UNAWARE}',
        ],
    ),
}


@pytest.mark.parametrize(("binding", "expected"), CASES.values(), ids=CASES)
def test_levels_and_schedulers(binding: ClusterTopologyBinding, expected: list[str]) -> None:
    policy = Policy(profiles=("kai-scheduler", "lpx-scheduler"))
    judged = validate_topology_binding(binding, policy)
    assert [str(error) for error in judged.errors] == expected
    assert judged.allowed is (not expected)
    assert judged.warnings == ()
