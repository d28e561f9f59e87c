"""Pods on silent nodes, seen by the plan of a replica."""

from dataclasses import replace as changed

from msgspec.structs import replace

from grove_operator.api import labels
from grove_operator.observed import Kind, ReplicaSnapshot, Surroundings
from grove_operator.plan.actions import Create, Delete, Plan
from tests.support.builders import SetBuilder, a_rest, a_set, look

GANG = a_set().with_clique("w", 2, minAvailable=2).with_template(terminationDelay="1h")
SET = a_set().with_clique("w", 2, minAvailable=1).with_template(terminationDelay="1h")
LONG_AGO, LATELY = "2026-03-01T08:00:00Z", "2026-03-01T09:30:00Z"


def with_a_dying_pod(builder: SetBuilder, since: str) -> ReplicaSnapshot:
    _, seen = a_rest(builder)
    first, *rest = seen.pods["tide-0-w"]
    dying = replace(first, meta=replace(first.meta, deleting=True), node="far")
    around = Surroundings(unreachable={"far": since})
    return changed(seen, pods={"tide-0-w": (dying, *rest)}, surroundings=around)


def test_it_is_deleted_at_once_and_its_successor_does_not_wait() -> None:
    plan = look(SET, with_a_dying_pod(SET, LONG_AGO))
    [delete] = [item for item in plan.actions if isinstance(item, Delete)]
    assert delete.at_once
    assert "node far has been unreachable since" in delete.why
    assert any(isinstance(item, Create) for item in plan.actions)
    assert plan.recheck_after is None


def test_before_the_end_of_the_delay_the_plan_says_when_to_look_again() -> None:
    plan = look(SET, with_a_dying_pod(SET, LATELY))
    assert not [item for item in plan.actions if isinstance(item, Delete)]
    assert plan.recheck_after == 1800


def test_an_annotation_leaves_it_alone() -> None:
    kept = SET.but(annotations={labels.KEEP_UNREACHABLE: "true"})
    plan = look(kept, with_a_dying_pod(kept, LONG_AGO))
    assert not [item for item in plan.actions if isinstance(item, Delete)]
    assert plan.recheck_after is None


def with_a_pod_that_stays(builder: SetBuilder, since: str) -> ReplicaSnapshot:
    """It tolerates silent nodes, so Kubernetes never deletes it."""
    _, seen = a_rest(builder)
    first, *rest = seen.pods["tide-0-w"]
    adrift = replace(first, ready=False, node="far")
    around = Surroundings(unreachable={"far": since})
    return changed(seen, pods={"tide-0-w": (adrift, *rest)}, surroundings=around)


def is_breached(plan: Plan) -> bool:
    return any(
        (item["type"], item["status"]) == ("MinAvailableBreached", "True")
        for patch in plan.statuses
        for item in patch.body["status"].get("conditions") or ()
    )


def test_a_pod_that_nobody_deletes_is_replaced_after_the_delay() -> None:
    plan = look(GANG, with_a_pod_that_stays(GANG, LONG_AGO))
    [delete] = [item for item in plan.actions if isinstance(item, Delete)]
    assert not delete.at_once
    assert "node far has been unreachable since" in delete.why
    [create] = [item for item in plan.actions if isinstance(item, Create)]
    assert create.name != delete.name


def test_before_that_it_breaches_its_minimum() -> None:
    plan = look(GANG, with_a_pod_that_stays(GANG, LATELY))
    assert plan.actions == ()
    assert plan.recheck_after == 1800
    assert is_breached(plan)


def test_the_annotation_leaves_it_alone_too() -> None:
    kept = GANG.but(annotations={labels.KEEP_UNREACHABLE: "true"})
    plan = look(kept, with_a_pod_that_stays(kept, LONG_AGO))
    assert plan.actions == ()
    assert plan.recheck_after is None
    assert not is_breached(plan)


def test_a_replica_that_is_not_wanted_any_more_lets_go_of_its_pods_too() -> None:
    gone = SET.but(replicas=0)
    plan = look(gone, with_a_dying_pod(SET, LONG_AGO))
    [delete] = [item for item in plan.actions if isinstance(item, Delete) and item.at_once]
    assert delete.kind is Kind.POD
    assert look(gone, with_a_dying_pod(SET, LATELY)).recheck_after == 1800
