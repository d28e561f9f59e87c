"""What becomes of a ClusterTopologyBinding: KAI's Topology, statuses, condition, events."""

from typing import Any

import pytest

from grove_operator.observed import Child
from grove_operator.plan.topologybinding import KaiFacts, plan_binding
from tests.support.builders import LATER, NOW, a_meta

KEYS = ["k/zone", "k/rack"]


def binding(
    *references: tuple[str, str], status: dict[str, Any] | None = None, keys: list[str] = KEYS
) -> Child:
    spec = {
        "levels": [{"domain": key.rpartition("/")[2], "key": key} for key in keys],
        "schedulerTopologyBindings": [
            {"schedulerName": scheduler, "topologyReference": name}
            for scheduler, name in references
        ],
    }
    meta = a_meta("dc", generation=3, namespace="")
    return Child(meta=meta, body={"spec": spec}, status=status or {})


def topology(name: str = "dc", keys: list[str] = KEYS, owner: str = "uid-of-dc") -> Child:
    levels = [{"nodeLabel": key} for key in keys]
    meta = a_meta(name, namespace="", owner_uid=owner, generation=5)
    return Child(meta=meta, body={"spec": {"levels": levels}})


def kai(*topologies: Child, served: bool = True, error: str = "") -> KaiFacts:
    found = {item.meta.name: item for item in topologies}
    return KaiFacts(True, served, found if served else None, error)


OURS = {"schedulerName": "kai-scheduler", "topologyReference": "dc", "inSync": True}
THEIRS = {"schedulerName": "kai-scheduler", "topologyReference": "x", "inSync": True}
GENERATION = "schedulerBackendTopologyObservedGeneration"
Verdict = tuple[str | None, list[dict[str, Any]], bool]
CASES: dict[str, tuple[Child, KaiFacts, Verdict]] = {
    "KAI is not enabled": (binding(), KaiFacts(), (None, [], True)),
    "KAI is not installed": (binding(), kai(served=False), (None, [], True)),
    "kept by us": (binding(), kai(topology()), ("False/InSync", [OURS], True)),
    "kept by others": (
        binding(("kai-scheduler", "x")),
        kai(topology("x", owner="")),
        ("False/InSync", [THEIRS | {GENERATION: 5}], True),
    ),
    "kept by others, missing": (
        binding(("kai-scheduler", "x")),
        kai(),
        (
            "True/Drift",
            [THEIRS | {"inSync": False, "message": "Topology x does not exist", GENERATION: 0}],
            True,
        ),
    ),
    "kept by others, in another order": (
        binding(("kai-scheduler", "x")),
        kai(topology("x", KEYS[::-1])),
        (
            "True/Drift",
            [
                THEIRS
                | {
                    "inSync": False,
                    "message": "Topology x has the levels [k/rack, k/zone], should have "
                    "[k/zone, k/rack]",
                    GENERATION: 5,
                }
            ],
            True,
        ),
    ),
    "somebody else's of our name": (
        binding(),
        kai(topology(owner="other")),
        (
            "True/Drift",
            [
                OURS
                | {
                    "inSync": False,
                    "message": "a Topology dc exists that is not of this ClusterTopologyBinding; "
                    "delete it or name it in schedulerTopologyBindings",
                }
            ],
            False,
        ),
    ),
    "our last write failed": (
        binding(),
        kai(error="refused"),
        ("True/Drift", [OURS | {"inSync": False, "message": "refused"}], False),
    ),
    "a scheduler without topology": (
        binding(("volcano", "x")),
        kai(topology()),
        (
            "Unknown/TopologyNotFound",
            [
                OURS,
                {
                    "schedulerName": "volcano",
                    "topologyReference": "x",
                    "inSync": False,
                    "message": "scheduler volcano is not enabled, or has no topology",
                },
            ],
            True,
        ),
    ),
    "KAI is named and not enabled": (
        binding(("kai-scheduler", "x")),
        KaiFacts(),
        (
            "Unknown/TopologyNotFound",
            [
                THEIRS
                | {
                    "inSync": False,
                    "message": "scheduler kai-scheduler is not enabled, or has no topology",
                }
            ],
            True,
        ),
    ),
}


def stored(item: Child, facts: KaiFacts, now: str = NOW) -> dict[str, Any]:
    patch = plan_binding(item, facts, now).status
    assert patch is not None
    found: dict[str, Any] = patch["status"]
    return found


@pytest.mark.parametrize(("item", "facts", "expected"), CASES.values(), ids=CASES)
def test_a_status(item: Child, facts: KaiFacts, expected: Verdict) -> None:
    status = stored(item, facts)
    [drift] = status.get("conditions") or [None]
    condition = f"{drift['status']}/{drift['reason']}" if drift else None
    observed = status.get("observedGeneration") == 3
    assert (condition, status.get("schedulerTopologyStatuses", []), observed) == expected
    assert drift is None or drift["observedGeneration"] == 3


def test_a_topology_is_made() -> None:
    plan = plan_binding(binding(), kai(), NOW)
    assert plan.delete is None
    assert plan.create is not None
    assert plan.create["metadata"]["name"] == "dc"
    assert plan.create["metadata"].keys() == {"name", "ownerReferences"}
    [owner] = plan.create["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["uid"], owner["controller"]) == (
        "ClusterTopologyBinding",
        "uid-of-dc",
        True,
    )
    assert plan.create["spec"] == {"levels": [{"nodeLabel": key} for key in KEYS]}


def test_a_topology_with_other_levels_is_made_anew() -> None:
    old = topology(keys=["k/zone"])
    plan = plan_binding(binding(), kai(old), NOW)
    assert plan.delete is old
    assert plan.create is not None


@pytest.mark.parametrize(
    ("item", "facts"),
    [
        (binding(), kai(topology(owner="other", keys=["x"]))),
        (binding(("kai-scheduler", "dc")), kai(topology(keys=["x"]))),
        (binding(), kai(topology())),
        (binding(), KaiFacts(enabled=True, served=True, topologies=None)),
    ],
    ids=["a stranger's", "looked after elsewhere", "right already", "not listed yet"],
)
def test_a_topology_is_left_alone(item: Child, facts: KaiFacts) -> None:
    plan = plan_binding(item, facts, NOW)
    assert (plan.delete, plan.create) == (None, None)


def test_a_status_that_says_it_all_is_not_written_again() -> None:
    status = stored(binding(), kai(topology()))
    assert plan_binding(binding(status=status), kai(topology()), LATER).status is None


def test_events_tell_of_changes_only() -> None:
    good, bad = kai(topology()), kai(topology(owner="other"))
    first = plan_binding(binding(), good, NOW)
    assert first.event is not None
    assert (first.event.reason, first.event.warning) == ("TopologyInSync", False)
    in_sync = stored(binding(), good)
    drifts = plan_binding(binding(status=in_sync), bad, NOW)
    assert drifts.event is not None
    assert (drifts.event.reason, drifts.event.warning) == ("TopologyDriftDetected", True)
    drifted = in_sync | stored(binding(status=in_sync), bad)
    assert plan_binding(binding(status=drifted), bad, NOW).event is None


def test_a_condition_goes_with_the_last_scheduler() -> None:
    status = stored(binding(), kai(topology()))
    after = plan_binding(binding(status=status), KaiFacts(), NOW).status
    assert after is not None
    assert after["status"] == {"conditions": None, "schedulerTopologyStatuses": None}


def test_a_binding_that_goes_is_left_alone() -> None:
    meta = a_meta("dc", deleting=True)
    plan = plan_binding(Child(meta=meta, body=binding().body), kai(), NOW)
    assert plan == plan_binding(binding(), KaiFacts(True, True, None), NOW)
