"""In which order an update takes the replicas of a scaling group, and where that is stored."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from msgspec.structs import replace as changed

from grove_operator.api import labels
from grove_operator.desired.updateorder import UpdateOrder, read_order
from grove_operator.observed import Kind, ReplicaSnapshot
from grove_operator.plan.actions import Delete, Patch, Plan
from tests.support.builders import LATER, NOW, PLAIN, a_rest, look, the_crew

OLD = the_crew()
NEW = OLD.with_clique("oar", 2, minAvailable=1, pod_spec={"hostNetwork": True})
TARGET = NEW.blueprint().generation_hash
CREW = "tide-0-crew"
OTHER_TARGET = "h-earlier"


def in_turn(
    order: UpdateOrder | None = None, target: str = TARGET, **status: Any
) -> ReplicaSnapshot:
    """All pods of the old template, whose replica has the turn."""
    _, seen = a_rest(OLD, PLAIN)
    group = seen.groups[CREW]
    notes = {labels.UPDATE_ORDER: order.as_text()} if order else {}
    meta = changed(group.meta, annotations={**group.meta.annotations, **notes})
    group = changed(group, meta=meta, status={**group.status, **status})
    turn = {"updateStartedAt": NOW, "currentlyUpdating": [{"replicaIndex": 0}]}
    return replace(
        seen,
        groups={CREW: group},
        set_status={"currentGenerationHash": target, "updateProgress": turn},
    )


def without(seen: ReplicaSnapshot, replica: int) -> ReplicaSnapshot:
    """The pods of a replica of the group are gone."""
    gone = {f"{CREW}-{replica}-lead", f"{CREW}-{replica}-oar"}
    pods = {name: () if name in gone else items for name, items in seen.pods.items()}
    return replace(seen, pods=pods)


def taken(plan: Plan) -> set[str]:
    """The replicas of the group that lose pods."""
    names = [item.name for item in plan.actions if isinstance(item, Delete)]
    return {name.split("-")[3] for name in names if name.startswith(CREW)}


def stored(plan: Plan) -> UpdateOrder | None:
    """The order that goes to the scaling group with this look."""
    for item in plan.actions:
        if isinstance(item, Patch) and item.kind is Kind.SCALING_GROUP:
            return read_order(item.body["metadata"]["annotations"][labels.UPDATE_ORDER])
    return None


def group_status_of(plan: Plan) -> Any:
    return [item.body["status"] for item in plan.statuses if item.kind is Kind.SCALING_GROUP]


def test_the_order_is_stored_before_any_removal_and_only_once() -> None:
    first = look(NEW, in_turn(), PLAIN, now=LATER)
    order = UpdateOrder(TARGET, LATER, replicas=(0, 1, 2))
    assert (stored(first), taken(first)) == (order, set())
    second = look(NEW, in_turn(order), PLAIN)
    assert (stored(second), taken(second)) == (None, {"0"})


def test_the_next_waits_for_the_one_that_was_taken() -> None:
    seen = without(in_turn(UpdateOrder(TARGET, NOW, replicas=(0, 1, 2))), 0)
    assert taken(look(NEW, seen, PLAIN)) == set()


@pytest.mark.parametrize(
    ("order", "progress", "first", "then"),
    [
        # An older operator kept it in the status.
        (None, {"podCliqueSetGenerationHash": TARGET}, None, {"1"}),
        # It goes on to another template.
        (UpdateOrder(OTHER_TARGET, NOW, replicas=(1, 2)), {}, (0, 1, 2), set()),
    ],
)
def test_what_was_begun_goes_on(
    order: UpdateOrder | None,
    progress: Mapping[str, Any],
    first: tuple[int, ...] | None,
    then: set[str],
) -> None:
    if progress:
        selected = {"readyReplicaIndicesSelectedToUpdate": {"current": 1}}
        progress = {"updateStartedAt": NOW, **progress, **selected}
    plan = look(NEW, in_turn(order, updateProgress=dict(progress)), PLAIN, now=LATER)
    said = stored(plan)
    assert (said.replicas if said else None, taken(plan)) == (first, then)


def test_a_new_target_waits_for_what_the_last_one_has_taken() -> None:
    earlier = UpdateOrder(OTHER_TARGET, NOW, replicas=(0, 1, 2))
    plan = look(NEW, without(in_turn(earlier), 1), PLAIN, now=LATER)
    assert stored(plan) == UpdateOrder(TARGET, LATER, replicas=(1, 0, 2))
    assert plan.summary is not None
    assert plan.summary.in_hand


def ended(generation: str, began: str = NOW) -> dict[str, str]:
    return {
        "podCliqueSetGenerationHash": generation,
        "updateStartedAt": began,
        "updateEndedAt": LATER,
    }


EARLIER = UpdateOrder(OTHER_TARGET, NOW, replicas=(0, 1, 2))


@pytest.mark.parametrize(
    "over", [ended(OTHER_TARGET), ended("h-of-another-clique", LATER)], ids=["it", "a later one"]
)
def test_nobody_waits_for_what_an_update_took_that_is_over(over: Mapping[str, str]) -> None:
    plan = look(NEW, without(in_turn(EARLIER, updateProgress=over), 1), PLAIN, now=LATER)
    assert stored(plan) == UpdateOrder(TARGET, LATER, replicas=(0, 2))


def test_an_end_that_is_older_than_the_order_is_another_ones() -> None:
    """The generation has returned, and the status is late."""
    order = UpdateOrder(TARGET, LATER, replicas=(0, 1, 2))
    seen = without(in_turn(order, updateProgress=ended(TARGET)), 0)
    assert taken(look(NEW, seen, PLAIN, now=LATER)) == set()


SAME = OLD.blueprint().generation_hash


@pytest.mark.parametrize("order", [EARLIER, UpdateOrder(SAME, NOW, replicas=(0, 1, 2))])
def test_a_group_that_is_through_stays_so_when_a_replica_falls_ill(order: UpdateOrder) -> None:
    """Other cliques of the set may still be at it."""
    seen = in_turn(order, SAME, updateProgress=ended(order.template))
    plan = look(OLD, without(seen, 1), PLAIN, now=LATER)
    assert stored(plan) is None
    assert plan.summary is not None
    assert (plan.summary.in_hand, plan.summary.is_current) == (False, True)


def test_the_status_tells_of_it() -> None:
    seen = without(in_turn(UpdateOrder(TARGET, NOW, replicas=(0, 1, 2))), 0)
    [status] = group_status_of(look(NEW, seen, PLAIN, now=LATER))
    assert (
        status["updateProgress"].items()
        >= {
            "updateStartedAt": NOW,
            "podCliqueSetGenerationHash": TARGET,
            "readyReplicaIndicesSelectedToUpdate": {"current": 0},
        }.items()
    )


@pytest.mark.parametrize(("gone", "closes"), [([], True), ([2], False)])
def test_what_is_in_hand_is_remembered_until_the_turn_comes(gone: list[int], closes: bool) -> None:
    """Another clique has changed meanwhile, so nothing of this group is old."""
    under_way = {"podCliqueSetGenerationHash": OTHER_TARGET, "updateStartedAt": NOW}
    seen = in_turn(EARLIER, "h-not-begun", updateProgress=under_way)
    for index in gone:
        seen = without(seen, index)
    plan = look(OLD, seen, PLAIN, now=LATER)
    told = [item.get("updateProgress", {}) for item in group_status_of(plan)]
    assert any("updateEndedAt" in progress for progress in told) is closes


def test_the_end_is_told_when_a_template_has_returned() -> None:
    seen = in_turn(UpdateOrder(SAME, LATER, replicas=(0, 1, 2)), SAME, updateProgress=ended(SAME))
    over = {"updateStartedAt": LATER, "updateEndedAt": LATER}
    seen = replace(seen, set_status={"currentGenerationHash": SAME, "updateProgress": over})
    [status] = group_status_of(look(OLD, seen, PLAIN, now=LATER))
    assert status["updateProgress"]["updateStartedAt"] == LATER


def test_an_order_that_was_reverted_before_its_first_step_is_replaced() -> None:
    order = UpdateOrder(OTHER_TARGET, LATER, replicas=(0, 1, 2))
    plan = look(OLD, in_turn(order, SAME, updateProgress=ended(SAME)), PLAIN, now=LATER)
    assert stored(plan) == UpdateOrder(SAME, LATER)
