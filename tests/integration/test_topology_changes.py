"""Bindings that come, change and go under running sets; preferences; replicas kept apart."""

import pytest

from tests.integration.conftest import Stage
from tests.integration.racks import Racks, binding_path, know, placed, with_template
from tests.integration.sets import Body, a_set, conditions, has
from tests.support.controlplane import Kube

pytestmark = pytest.mark.unguarded
"""The session's webhook runs with topology off, and would refuse these sets."""


def reason(stage: Stage, name: str, condition: str) -> str:
    found = conditions(stage.seen.named("PodCliqueSet", name)).get(condition, {})
    return f"{found.get('status')}/{found.get('reason')}"


async def says(stage: Stage, name: str, condition: str, expected: str) -> None:
    await stage.seen.until(
        lambda: reason(stage, name, condition) == expected, f"{name}: {condition} is {expected}"
    )


# --- a binding comes, changes, goes


async def test_a_binding_that_comes_late(stage: Stage, racks: Racks, kube: Kube) -> None:
    """The running gang keeps what it was placed by and says so; when it is restarted, it packs."""
    for number in range(3):
        racks.add("z", f"r{number}", 1, 4)
    cliques = [racks.clique("a", 2), racks.clique("b", 2)]
    await stage.create(with_template(a_set("early", cliques), **racks.packed("rack")))
    await says(stage, "early", "TopologyLevelsUnavailable", "Unknown/ClusterTopologyNotFound")
    await stage.settled()
    await racks.bind(kube)
    await says(stage, "early", "TopologyGuarantee", "False/OlderConstraintInUse")
    await says(
        stage, "early", "TopologyLevelsUnavailable", "False/AllClusterTopologyLevelsAvailable"
    )
    gang = stage.seen.named("PodGang", "early-0")
    assert gang is not None
    assert "topologyConstraint" in gang["spec"]
    assert placed(stage) == 4
    know(stage, racks)
    for count in (0, 2):
        for clique in ("a", "b"):
            await stage.scale("PodClique", f"early-0-{clique}", count)
        await stage.seen.until(lambda: len(stage.seen.of("Pod")) == 2 * count, "scaled")  # noqa: B023 - awaited right here
    await says(stage, "early", "TopologyGuarantee", "True/RequiredLevelsHeld")
    await stage.settled()
    assert len(racks.domains(stage, "rack")) == 1
    await kube.delete(binding_path(racks.mark))
    await says(stage, "early", "TopologyLevelsUnavailable", "Unknown/ClusterTopologyNotFound")
    await stage.seen.until(
        lambda: "topologyConstraint" not in stage.seen.of("PodGang")[0]["spec"],
        "the PodGang has no constraint any more",
    )
    assert placed(stage) == 4


async def test_a_wrong_level_is_put_right_under_a_waiting_gang(
    stage: Stage, racks: Racks, kube: Kube
) -> None:
    """No node has the label, so nothing is placed; the groups and pods that wait are made anew."""
    for number in range(2):
        racks.add("z", f"r{number}", 1, 4)
    await racks.bind(kube, rack="no.example.org/such")
    know(stage, racks)
    cliques = [racks.clique("a", 2), racks.clique("b", 2) | racks.packed("host")]
    await stage.create(with_template(a_set("lost", cliques), **racks.packed("rack")))
    await stage.seen.until(lambda: len(stage.seen.of("PodGroup")) == 2, "its groups are there")
    assert placed(stage) == 0
    await kube.patch(binding_path(racks.mark), {"spec": racks.binding()["spec"]})
    await stage.settled()
    assert len(racks.domains(stage, "rack")) == 1
    assert len(racks.domains(stage, "host", podclique="lost-0-b")) == 1


async def test_levels_that_are_not_there(stage: Stage, racks: Racks, kube: Kube) -> None:
    racks.add("z", "r", 1, 2)
    await racks.bind(kube)
    cliques = [racks.clique("a", 2) | racks.packed("row")]
    await stage.create(a_set("vague", cliques))
    await says(stage, "vague", "TopologyLevelsUnavailable", "True/ClusterTopologyLevelsUnavailable")
    found = conditions(stage.seen.named("PodCliqueSet", "vague"))["TopologyLevelsUnavailable"]
    assert "row" in found["message"]
    assert found["observedGeneration"] == 1
    await stage.settled()


# --- preferences and spreading


async def test_a_preferred_rack(stage: Stage, bound: Racks) -> None:
    """Drawn together where there is room, placed apart where there is none."""
    for number in range(3):
        bound.add("z", f"r{number}", 2, 3)
    await stage.create(
        with_template(a_set("fond", [bound.clique("main", 6)]), **bound.packed("", "rack"))
    )
    await stage.settled()
    assert len(bound.domains(stage, "rack")) == 1
    guarantee = conditions(stage.seen.named("PodCliqueSet", "fond"))["TopologyGuarantee"]
    assert guarantee["reason"] == "OnlyPreferences"
    assert "affinity" in guarantee["message"]
    await stage.scale("PodClique", "fond-0-main", 10)
    await stage.settled()
    assert len(bound.domains(stage, "rack")) > 1


def spread(body: Body, level: str, **more: str) -> Body:
    annotations = {"grove.io/spread-replicas": level, **more}
    body["metadata"]["annotations"] = annotations
    return body


async def test_replicas_are_kept_apart(stage: Stage, bound: Racks) -> None:
    """One rack each, though one rack could hold them all; the fourth waits for a rack."""
    for number in range(3):
        bound.add("z", f"r{number}", 2, 6)
    cliques = [bound.clique("a", 2), bound.clique("b", 1)]
    await stage.create(spread(a_set("apart", cliques, (), 3), bound.keys["rack"]))
    await stage.settled()
    await says(stage, "apart", "ReplicasSpread", "True/KeptApart")
    homes = [bound.domains(stage, "rack", podgang=f"apart-{index}") for index in range(3)]
    every = [rack for racks in homes for rack in racks]
    assert len(every) == len(set(every))
    await stage.scale("PodCliqueSet", "apart", 4)
    await stage.seen.until(
        lambda: len([p for p in stage.seen.of("Pod") if not p["spec"].get("nodeName")]) == 3,
        "the fourth replica waits as a whole",
    )
    bound.add("z", "r3", 1, 6)
    await stage.settled()


async def test_a_packed_replica_in_each_rack(stage: Stage, bound: Racks) -> None:
    """Packed and spread: losing one rack takes one replica."""
    racks = {f"r{number}": bound.add("z", f"r{number}", 2, 6) for number in range(3)}
    body = a_set("duo", [bound.clique("a", 2), bound.clique("b", 1)], (), 3)
    await stage.create(with_template(spread(body, "rack"), **bound.packed("rack")))
    await stage.settled()
    homes = [bound.domains(stage, "rack", podgang=f"duo-{index}") for index in range(3)]
    assert sorted(homes) == [["r0"], ["r1"], ["r2"]]
    await bound.lose(stage, racks[homes[1][0]])
    await stage.seen.until(
        lambda: has(stage.seen.named("PodGang", "duo-1"), "Scheduled", "False"), "one is out"
    )
    for index in (0, 2):
        assert has(stage.seen.named("PodGang", f"duo-{index}"), "Ready")


async def test_replicas_that_are_only_drawn_apart(stage: Stage, bound: Racks) -> None:
    for number in range(2):
        bound.add("z", f"r{number}", 1, 9)
    body = spread(
        a_set("mild", [bound.clique("main", 2)], (), 3),
        "rack",
        **{"grove.io/spread-replicas-policy": "Preferred"},
    )
    # A level that means one thing in this cluster might be another test's, too.
    body["metadata"]["annotations"]["grove.io/spread-replicas"] = bound.keys["rack"]
    await stage.create(body)
    await stage.settled()
    assert bound.domains(stage, "rack") == ["r0", "r1"]
    await says(stage, "mild", "ReplicasSpread", "True/DrawnApart")


async def test_spread_constraints_of_pods_count(stage: Stage, bound: Racks) -> None:
    for number in range(3):
        bound.add("z", f"r{number}", 1, 9)
    clique = bound.clique("main", 6)
    clique["spec"]["podSpec"]["topologySpreadConstraints"] = [
        {
            "maxSkew": 1,
            "topologyKey": bound.keys["rack"],
            "whenUnsatisfiable": "DoNotSchedule",
            "labelSelector": {"matchLabels": {"grove.io/podclique": "even-0-main"}},
        }
    ]
    await stage.create(a_set("even", [clique]))
    await stage.settled()
    on = [pod["spec"]["nodeName"] for pod in stage.seen.of("Pod")]
    assert sorted(on.count(node) for node in set(on)) == [2, 2, 2]
