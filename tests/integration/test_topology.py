"""Where pods land: every level on the real scheduler, in simulated racks; nodes are what counts."""

from collections.abc import Collection
from dataclasses import replace

import pytest

from tests.integration.conftest import Stage
from tests.integration.racks import Racks, placed, with_template
from tests.integration.sets import Body, a_group, a_set, conditions, has, is_available
from tests.support.controlplane import Kube, Object, path_of

pytestmark = pytest.mark.unguarded
"""The session's webhook runs with topology off, and would refuse these sets."""


async def waits(stage: Stage, gang: str) -> str:
    """Until the PodGang quotes the scheduler; gives what it says."""

    def text() -> str:
        found = conditions(stage.seen.named("PodGang", gang)).get("Scheduled", {})
        return str(found.get("message", ""))

    await stage.seen.until(lambda: "placement" in text(), f"PodGang {gang} says why it waits")
    return text()


def two_zones(racks: Racks) -> None:
    """Room for three crews and a gate in either: only a level keeps them together."""
    for zone in ("a", "b"):
        for number in range(3):
            racks.add(zone, f"{zone}{number}", 2, 2)


def crew(index: int) -> dict[str, str]:
    """The labels of a replica of the group `crew`."""
    return {"podcliquescalinggroup_replica_index": str(index)}


# --- each level


async def test_a_set_in_one_rack(stage: Stage, bound: Racks) -> None:
    """Room enough everywhere together, in one rack only for the whole gang."""
    for number, seats in enumerate((3, 5, 3)):
        bound.add("z", f"r{number}", 1, seats)
    cliques = [bound.clique("left", 3), bound.clique("right", 2)]
    await stage.create(with_template(a_set("snug", cliques), **bound.packed("rack")))
    await stage.settled()
    assert bound.domains(stage, "rack") == ["r1"]
    gang = stage.seen.named("PodGang", "snug-0")
    assert gang is not None
    constraint = gang["spec"]["topologyConstraint"]["packConstraint"]
    assert constraint == {"required": bound.keys["rack"]}
    assert gang["metadata"]["annotations"]["grove.io/topology-name"] == bound.mark


async def test_each_replica_of_a_group_in_a_rack_of_its_own_choice(
    stage: Stage, bound: Racks
) -> None:
    """Two in the base gang and a scaled one; a rack holds one replica, and none holds two."""
    for number in range(4):
        bound.add("z", f"r{number}", 2, 2)
    crews = a_group("crew", ["lead", "oar"], 3, 2, **bound.packed("rack"))
    cliques = [bound.clique("gate", 1), bound.clique("lead", 1), bound.clique("oar", 2)]
    await stage.create(a_set("boat", cliques, [crews]))
    await stage.settled()
    for index in range(3):
        assert len(bound.domains(stage, "rack", **crew(index))) == 1, index


async def test_a_clique_on_one_host(stage: Stage, bound: Racks) -> None:
    for number in range(3):
        bound.add("z", f"r{number}", 1, 3)
    cliques = [bound.clique("tight", 3) | bound.packed("host"), bound.clique("loose", 4)]
    await stage.create(a_set("pins", cliques))
    await stage.settled()
    assert len(bound.domains(stage, "host", podclique="pins-0-tight")) == 1
    assert len(bound.domains(stage, "host", podclique="pins-0-loose")) == 2


ALL = ("zone", "rack", "host")


def three_levels(
    racks: Racks, replicas: int = 3, minimum: int = 2, levels: Collection[str] = ALL
) -> Body:
    """The instance in a zone, each crew in a rack, its oars on a host; or some of that."""
    at = {level: racks.packed(level) if level in levels else {} for level in ALL}
    crews = a_group("crew", ["lead", "oar"], replicas, minimum, **at["rack"])
    cliques = [racks.clique("gate", 1), racks.clique("lead", 1), racks.clique("oar", 2)]
    cliques[2] |= at["host"]
    return with_template(a_set("nest", cliques, [crews]), **at["zone"])


def nesting(racks: Racks, stage: Stage, crews: int, levels: Collection[str] = ALL) -> None:
    """Check the levels of `nest`."""
    if "zone" in levels:
        assert len(racks.domains(stage, "zone")) == 1
    for index in range(crews):
        oars = f"nest-0-crew-{index}-oar"
        if "rack" in levels:
            assert len(racks.domains(stage, "rack", **crew(index))) == 1, index
        if "host" in levels:
            assert len(racks.domains(stage, "host", podclique=oars)) == 1, index


PAIRS = [("zone", "rack"), ("zone", "host"), ("rack", "host")]


@pytest.mark.parametrize("levels", PAIRS, ids="+".join)
async def test_two_levels_without_the_third(
    stage: Stage, bound: Racks, levels: tuple[str, str]
) -> None:
    """Set and group, set and clique, group and clique; a scaled gang is held to them, too."""
    two_zones(bound)
    await stage.create(three_levels(bound, levels=levels))
    await stage.settled()
    nesting(bound, stage, 3, levels)


async def test_nested_levels_and_a_scaled_gang_that_joins_its_base(
    stage: Stage, bound: Racks
) -> None:
    """Two zones with room for everything: a scaled gang could be placed in the other one."""
    two_zones(bound)
    await stage.create(three_levels(bound, replicas=2))
    await stage.settled()
    nesting(bound, stage, 2)
    await stage.scale("PodCliqueScalingGroup", "nest-0-crew", 3)
    await stage.settled()
    nesting(bound, stage, 3)
    names = {item["metadata"]["name"] for item in stage.seen.of("CompositePodGroup")}
    assert {"nest-0", "nest-0-crew-0", "nest-0--crew.0", "nest-0--crew.1"} < names


# --- too little room


async def test_more_replicas_than_fit(stage: Stage, bound: Racks) -> None:
    """Seats enough for the third replica, but in no one rack."""
    for number, seats in enumerate((3, 3, 2, 2)):
        bound.add("z", f"r{number}", 1, seats)
    body = with_template(a_set("many", [bound.clique("main", 3)], (), 3), **bound.packed("rack"))
    await stage.create(body)
    waiting: list[str] = []

    def one_waits() -> bool:
        waiting[:] = [
            f"many-{index}" for index in range(3) if not placed(stage, podgang=f"many-{index}")
        ]
        return len(waiting) == 1

    await stage.seen.until(one_waits, "two replicas are placed")
    text = await waits(stage, waiting[0])
    assert "minCount (3)" in text
    assert placed(stage) == 6
    for index in {"0", "1", "2"} - {waiting[0][-1]}:
        assert len(bound.domains(stage, "rack", podgang=f"many-{index}")) == 1


async def test_a_gang_waits_out_fragmentation(stage: Stage, bound: Racks) -> None:
    """Six seats are free, two in each rack."""
    for number in range(3):
        bound.add("z", f"r{number}", 2, 1)
    body = with_template(a_set("whole", [bound.clique("main", 3)]), **bound.packed("rack"))
    await stage.create(body)
    await waits(stage, "whole-0")
    assert placed(stage) == 0
    bound.add("z", "r1", 1, 1)
    await stage.settled()
    assert bound.domains(stage, "rack") == ["r1"]


async def test_a_gang_of_higher_priority_takes_the_rack(
    stage: Stage, bound: Racks, kube: Kube
) -> None:
    """Preemption clears one rack for all of the gang."""
    classes = path_of("scheduling.k8s.io/v1", "priorityclasses")
    for name, value in (("low", 10), ("high", 1000)):
        meta = {"name": f"{bound.mark}-{name}"}
        body = {"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": meta}
        await kube.create(classes, body | {"value": value})
    known = frozenset(f"{bound.mark}-{name}" for name in ("low", "high"))
    stage.capabilities = replace(stage.capabilities, priority_classes=known)
    for number in range(2):
        bound.add("z", f"r{number}", 1, 3)

    def wanting(name: str, replicas: int) -> Body:
        made = a_set(name, [bound.clique("main", 3)], (), replicas)
        priority = {"priorityClassName": f"{bound.mark}-{name}"}
        return with_template(made, **priority, **bound.packed("rack"))

    await stage.create(wanting("low", 2))
    await stage.settled()
    await stage.create(wanting("high", 1))
    await stage.seen.until(
        lambda: is_available(stage.seen.named("PodCliqueSet", "high")), "high runs", 60
    )
    assert len(bound.domains(stage, "rack", podgang="high-0")) == 1
    low = [gang for gang in ("low-0", "low-1") if placed(stage, podgang=gang)]
    await stage.seen.until(lambda: placed(stage) == 6, f"one of {low} keeps its rack")
    for name in ("low", "high"):
        await kube.delete(f"{classes}/{bound.mark}-{name}")


# --- life


async def test_a_lost_pod_comes_back_to_its_rack(stage: Stage, bound: Racks) -> None:
    two_zones(bound)
    await stage.create(three_levels(bound))
    await stage.settled()
    before = {index: bound.domains(stage, "rack", **crew(index)) for index in range(3)}
    for pod in stage.seen.of("Pod"):
        labels = pod["metadata"]["labels"]
        if labels["grove.io/podclique"].endswith("lead"):
            await stage.delete("Pod", pod["metadata"]["name"])
    await stage.settled()
    nesting(bound, stage, 3)
    assert {index: bound.domains(stage, "rack", **crew(index)) for index in range(3)} == before


async def test_an_update_keeps_every_level(stage: Stage, bound: Racks) -> None:
    """Groups are replaced one replica at a time, each within its rack."""
    for number in range(3):
        bound.add("a", f"a{number}", 2, 2)
    body = three_levels(bound)
    await stage.create(body)
    await stage.settled()
    before = {pod["metadata"]["uid"] for pod in stage.seen.of("Pod")}
    patch = [
        {
            "op": "replace",
            "path": f"/spec/template/cliques/{index}/spec/podSpec/containers/0/image",
            "value": "registry.example/newer:2",
        }
        for index in (1, 2)
    ]
    await stage.edit("PodCliqueSet", "nest", patch)
    await stage.seen.until(
        lambda: len(before & {pod["metadata"]["uid"] for pod in stage.seen.of("Pod")}) == 1,
        "all but the gate are replaced",
        90,
    )
    await stage.settled()
    nesting(bound, stage, 3)


async def test_a_rack_is_lost_and_comes_back(stage: Stage, bound: Racks) -> None:
    """The crew that was in it moves as a whole once there is another rack; nothing else moves."""
    by_rack = {name: bound.add("a", name, 2, 2) for name in ("a0", "a1")}
    bound.add("a", "hall", 1, 1)
    await stage.create(three_levels(bound, replicas=2))
    await stage.settled()
    nesting(bound, stage, 2)
    [lost] = bound.domains(stage, "rack", **crew(1))
    stays = [pod["metadata"]["uid"] for pod in stage.seen.of("Pod") if not is_crew(pod, "1")]
    await bound.lose(stage, by_rack[lost])
    await stage.seen.until(
        lambda: placed(stage) == 4 and has(stage.seen.named("PodGang", "nest-0"), "Ready", "False"),
        "three pods wait",
    )
    bound.add("a", "a2", 2, 2)
    await stage.settled()
    nesting(bound, stage, 2)
    assert bound.domains(stage, "rack", **crew(1)) == ["a2"]
    now = [pod["metadata"]["uid"] for pod in stage.seen.of("Pod") if not is_crew(pod, "1")]
    assert now == stays


def is_crew(pod: Object, index: str) -> bool:
    labels: dict[str, str] = pod["metadata"]["labels"]
    return labels.get("grove.io/podcliquescalinggroup-replica-index") == index
