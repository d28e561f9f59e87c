"""What a plan tells metrics agrees with the statuses that it writes."""

from dataclasses import replace
from typing import Any

import pytest

from grove_operator.api import conditions as c
from grove_operator.observed import Child, Meta
from grove_operator.plan.replica import plan_replica
from grove_operator.plan.tally import Sums, tally_gang
from tests.support.builders import LATER, NATIVE, NOW, a_rest, look, the_crew

CREW = the_crew()
META = Meta(namespace="harbor", name="tide-0", uid="uid", version=1, created=NOW)


def conditions(**statuses: bool) -> list[dict[str, Any]]:
    return [
        {"type": type_, "status": str(status), "lastTransitionTime": LATER}
        for type_, status in statuses.items()
    ]


def a_status(phase: str, **statuses: bool) -> dict[str, Any]:
    return {"phase": phase, "conditions": conditions(**statuses)}


CASES: dict[str, tuple[dict[str, Any], dict[str, Any], tuple[str, str, bool]]] = {
    "new": ({}, a_status("Pending", Scheduled=False), ("", LATER, False)),
    "runs": (a_status("Starting"), a_status("Running", Ready=True), ("Starting", "", False)),
    "starts": (a_status("Pending"), a_status("Starting", Unhealthy=False), ("Pending", "", False)),
    "lost readiness": (
        a_status("Running", Ready=True),
        a_status("Starting", Unhealthy=True),
        ("Running", "", True),
    ),
    "lost it before": (
        a_status("Pending", Unhealthy=True),
        a_status("Pending", Unhealthy=True, Scheduled=False),
        ("Running", LATER, True),
    ),
    "says nothing of its time": ({}, {"phase": "Pending", "conditions": []}, ("", NOW, False)),
}


@pytest.mark.parametrize(("stored", "status", "expected"), CASES.values(), ids=CASES)
def test_a_gang(
    stored: dict[str, Any], status: dict[str, Any], expected: tuple[str, str, bool]
) -> None:
    tally = tally_gang(Child(meta=META, status=stored), status)
    assert (tally.before, tally.since, tally.unhealthy) == expected
    assert (tally.name, tally.created, tally.phase) == ("tide-0", NOW, status["phase"])


def test_sums_add_and_subtract() -> None:
    both = Sums(5, 3, 1).plus(Sums(2, 2, 0))
    assert both == Sums(7, 5, 1)
    assert both.minus(Sums(2, 2, 0)) == Sums(5, 3, 1)


@pytest.mark.parametrize("breached", [True, False])
def test_a_group_takes_its_numbers_from_its_status(*, breached: bool) -> None:
    status = {
        "availableReplicas": 2,
        "conditions": [
            c.condition(c.MIN_AVAILABLE_BREACHED, status=breached, reason="R", message="")
        ],
    }
    assert Sums.of_group(4, status) == Sums(4, 2, int(breached))


def test_a_set_at_rest_has_what_it_wants() -> None:
    _, seen = a_rest(CREW, NATIVE)
    tally = look(CREW, seen, NATIVE).tally
    assert tally is not None
    pods = sum(clique.replicas for clique in seen.cliques.values())
    assert tally.available
    assert tally.cliques == Sums(pods, pods, 0)
    assert tally.groups == Sums(3, 3, 0)
    assert [(gang.name, gang.phase) for gang in tally.gangs] == [
        ("tide-0", "Running"),
        ("tide-0-crew-0", "Running"),
    ]


def test_pods_that_are_gone_are_missed_and_breach_their_minimum() -> None:
    _, seen = a_rest(CREW, NATIVE)
    lost = "tide-0-crew-0-oar"
    tally = look(CREW, replace(seen, pods={**seen.pods, lost: ()}), NATIVE).tally
    assert tally is not None
    assert tally.cliques.wanted - tally.cliques.available == seen.cliques[lost].replicas
    assert tally.cliques.breached == 1
    assert tally.groups == Sums(3, 2, 0)
    assert [gang.unhealthy for gang in tally.gangs].count(True) == 1


def test_a_replica_that_should_not_be_has_none() -> None:
    _, seen = a_rest(CREW, NATIVE)
    blueprint = CREW.blueprint()
    assert plan_replica(blueprint, 7, seen, NATIVE, NOW).tally is None
    assert plan_replica(None, 0, seen, NATIVE, NOW).tally is None
