"""Gangs as the stock scheduler knows them."""

from typing import Any

import pytest

from grove_operator.scheduling.native import (
    Capabilities,
    NativeGang,
    build_native_gang,
    gang_minimum,
    gang_priority,
    pod_group_of,
    verdict,
)
from grove_operator.scheduling.tree import lay_out
from grove_operator.scheduling.workloads import build_workloads
from tests.support.builders import NATIVE, SUMS, SetBuilder, a_set, the_crew


def native(
    builder: SetBuilder, gang: int = 0, offered: Capabilities = NATIVE, **live: int
) -> NativeGang:
    slots = builder.slots().gangs[gang]
    scaled = {f"tide-0-{name.replace('_', '-')}": count for name, count in live.items()}
    least = {
        slot.name: gang_minimum(slot, scaled.get(slot.name, slot.blueprint.replicas))
        for slot in slots.cliques
    }
    priority = gang_priority(builder.blueprint(), offered)
    return build_native_gang(builder.blueprint(), lay_out(slots), least, offered, 0, priority)


def minimums(gang: NativeGang) -> dict[str, int]:
    return {
        group["metadata"]["name"]: group["spec"]["schedulingPolicy"]["gang"]["minCount"]
        for group in gang.pod_groups
    }


def groups_needed(gang: NativeGang) -> int | None:
    if not gang.composites:
        return None
    [composite] = gang.composites
    found: int = composite["spec"]["schedulingPolicy"]["gang"]["minGroupCount"]
    return found


SINGLE = a_set().with_clique("w", 3, minAvailable=2)
PAIR = a_set().with_clique("a", 3, minAvailable=2).with_clique("b", 1)
CASES: dict[str, tuple[NativeGang, int | None, dict[str, int]]] = {
    "one clique needs no composite": (native(SINGLE), None, {"tide-0-w": 2}),
    "two cliques are tied together": (native(PAIR), 2, {"tide-0-a": 2, "tide-0-b": 1}),
    "a scaled gang": (
        native(the_crew(), 1),
        2,
        {"tide-0-crew-2-lead": 1, "tide-0-crew-2-oar": 1},
    ),
    "a clique scaled below its minimum": (native(PAIR, a=1), 2, {"tide-0-a": 1, "tide-0-b": 1}),
    "a clique at zero does not count": (native(PAIR, a=0), 1, {"tide-0-b": 1}),
    "all at zero": (native(PAIR, a=0, b=0), None, {}),
    "a clique scaled out keeps its minimum": (native(PAIR, a=9), 2, {"tide-0-a": 2, "tide-0-b": 1}),
    "without composites: the sum": (native(PAIR, 0, SUMS), None, {"tide-0": 3}),
    "without composites, scaled below": (native(PAIR, 0, SUMS, a=1), None, {"tide-0": 2}),
}


@pytest.mark.parametrize(("gang", "needed", "least"), CASES.values(), ids=CASES)
def test_a_gang(gang: NativeGang, needed: int | None, least: dict[str, int]) -> None:
    assert groups_needed(gang) == needed
    assert minimums(gang) == least


def test_pods_join_the_group_of_their_clique_or_of_the_whole_gang() -> None:
    slot = PAIR.slot("tide-0-a")
    assert pod_group_of(slot, NATIVE) == "tide-0-a"
    assert pod_group_of(slot, SUMS) == "tide-0"


@pytest.mark.parametrize(
    ("known", "given"),
    [(None, True), (frozenset({"cargo"}), True), (frozenset({"other"}), False)],
    ids=["not known", "there", "not there"],
)
def test_a_priority_class_that_does_not_exist_is_left_out(
    known: frozenset[str] | None, *, given: bool
) -> None:
    offered = Capabilities(True, True, True, known)
    gang = native(PAIR.with_template(priorityClassName="cargo"), 0, offered)
    assert len(gang.composites) == 1
    for body in (*gang.composites, *gang.pod_groups):
        assert body["spec"].get("priorityClassName") == ("cargo" if given else None)


def many_groups(count: int, *, first: str = "g0") -> SetBuilder:
    builder = a_set()
    for number in range(count):
        builder = builder.with_clique(f"a{number}").with_clique(f"b{number}")
        name = first if number == 0 else f"g{number}"
        builder = builder.with_group(name, f"a{number}", f"b{number}", replicas=2)
    return builder


def templates(body: dict[str, Any]) -> list[str]:
    found = []
    for composite in body["spec"]["compositePodGroupTemplates"]:
        found.append(composite["name"])
        found += [item["name"] for item in composite["podGroupTemplates"]]
    return found


@pytest.mark.parametrize(
    ("groups", "expected"), [(3, ["tide"]), (7, ["tide"]), (8, ["tide", "tide.1"])]
)
def test_a_workload_holds_eight_templates(groups: int, expected: list[str]) -> None:
    bodies = list(build_workloads(many_groups(groups).blueprint(), NATIVE))
    assert [body["metadata"]["name"] for body in bodies] == expected
    for body in bodies:
        assert len(body["spec"]["compositePodGroupTemplates"]) <= 8
        assert len(set(templates(body))) == len(templates(body))
        for composite in body["spec"]["compositePodGroupTemplates"]:
            assert 0 < len(composite["podGroupTemplates"]) <= 8


def test_every_group_refers_to_a_template_that_is_there() -> None:
    builder = many_groups(4)
    known = {
        (body["metadata"]["name"], name)
        for body in build_workloads(builder.blueprint(), NATIVE)
        for name in templates(body)
    }
    for index in range(1, len(builder.slots().gangs)):
        gang = native(builder, index)
        assert len(gang.composites) == 1
        for body in (*gang.composites, *gang.pod_groups):
            reference = body["spec"]["workloadRef"]
            assert (reference["workloadName"], reference["templateName"]) in known


def test_a_group_may_be_called_base() -> None:
    [body] = build_workloads(many_groups(1, first="base").blueprint(), NATIVE)
    assert len(body["spec"]["compositePodGroupTemplates"]) == 2


def test_what_the_scheduler_says() -> None:
    def said(status: str, reason: str = "Unschedulable") -> dict[str, Any]:
        kind = "PodGroupInitiallyScheduled"
        return {
            "conditions": [{"type": kind, "status": status, "reason": reason, "message": "why"}]
        }

    assert verdict(said("False")) == "why"
    assert verdict(said("True")) == ""
    assert verdict(said("False", "SchedulerError")) == ""
    assert verdict({}) == ""
