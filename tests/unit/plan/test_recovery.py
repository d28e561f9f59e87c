"""What brings a broken replica back, look by look."""

from collections.abc import Callable
from dataclasses import replace as changed
from typing import Any

import pytest
from msgspec.structs import replace

from grove_operator.api import labels
from grove_operator.api.times import after
from grove_operator.observed import Kind, Pod, ReplicaSnapshot
from grove_operator.plan.actions import Create, Delete, Patch, Plan
from grove_operator.plan.rehearse import apply_merge_patch
from grove_operator.scheduling.native import Capabilities
from tests.support.builders import (
    NATIVE,
    NOW,
    PLAIN,
    SetBuilder,
    a_meta,
    a_rest,
    a_set,
    a_waiting_pod,
    look,
)

HOUR = 3600.0
PAIR = (
    a_set()
    .with_clique("router", 2, minAvailable=2)
    .with_clique("w", 2, minAvailable=2)
    .with_template(terminationDelay="1h")
)
CREWS = (
    a_set()
    .with_clique("lead", 1)
    .with_clique("oar", 2, minAvailable=2)
    .with_group("crew", "lead", "oar", replicas=2, min_available=1)
    .with_template(terminationDelay="1h")
)


def stored(seen: ReplicaSnapshot, plan: Plan) -> ReplicaSnapshot:
    """What is seen once the plan's statuses are written."""
    cliques, groups = dict(seen.cliques), dict(seen.groups)
    for patch in plan.statuses:
        for records in (cliques, groups):
            record: Any = records.get(patch.name)
            if record is not None:
                status = apply_merge_patch(record.status, patch.body["status"])
                records[patch.name] = replace(record, status=status)
    return changed(seen, cliques=cliques, groups=groups)


def remade(seen: ReplicaSnapshot, plan: Plan, now: str) -> ReplicaSnapshot:
    """What is seen when pods have been deleted and made by the plan, and no status is written."""
    gone = deleted(plan)
    pods = {
        name: [pod for pod in found if pod.meta.name not in gone]
        for name, found in seen.pods.items()
    }
    for action in plan.actions:
        if isinstance(action, Create) and action.kind is Kind.POD:
            body, owner = action.body, seen.cliques[action.owner.name].meta
            meta = a_meta(
                action.name,
                labels=body["metadata"]["labels"],
                annotations=body["metadata"].get("annotations", {}),
                owner_uid=owner.uid,
                owner_name=owner.name,
                created=now,
            )
            group = body["spec"].get("schedulingGroup", {}).get("podGroupName", "")
            pods[owner.name].append(replace(a_waiting_pod(), meta=meta, group=group))
    return changed(seen, pods={name: tuple(found) for name, found in pods.items()})


def deleted(plan: Plan) -> set[str]:
    return {
        action.name
        for action in plan.actions
        if isinstance(action, Delete) and action.kind is Kind.POD
    }


def with_pod(
    seen: ReplicaSnapshot, clique: str, which: int, change: Callable[[Pod], Pod]
) -> ReplicaSnapshot:
    pods = list(seen.pods[clique])
    pods[which] = change(pods[which])
    return changed(seen, pods={**seen.pods, clique: tuple(pods)})


def ill(pod: Pod) -> Pod:
    return replace(pod, ready=False, started_unready=True)


def placed(when: str) -> Callable[[Pod], Pod]:
    return lambda pod: replace(pod, scheduled=True, node="node", phase="Running", placed_since=when)


def after_a_breach(
    builder: SetBuilder, clique: str, offered: Capabilities
) -> tuple[ReplicaSnapshot, Plan, str]:
    """A pod has been ill for an hour: what is seen, and the plan that restarts its gang."""
    _, seen = a_rest(builder, offered)
    seen = with_pod(seen, clique, 0, ill)
    seen = stored(seen, look(builder, seen, offered, now=after(NOW, HOUR)))
    now = after(NOW, 2 * HOUR + 1)
    return seen, look(builder, seen, offered, now=now), now


GANGS: dict[str, tuple[SetBuilder, str, int]] = {
    "a replica of the set": (PAIR, "tide-0-router", 4),
    "a replica of a group": (CREWS, "tide-0-crew-1-oar", 3),
}
OFFERED = pytest.mark.parametrize("offered", [NATIVE, PLAIN], ids=["native", "plain"])
GANG = pytest.mark.parametrize(("builder", "clique", "pods"), GANGS.values(), ids=GANGS)


@OFFERED
@GANG
def test_new_pods_of_a_restarted_gang_are_left_alone(
    builder: SetBuilder, clique: str, pods: int, offered: Capabilities
) -> None:
    """They are placed one by one before any status is written; what is stored is about others."""
    seen, plan, now = after_a_breach(builder, clique, offered)
    assert len(deleted(plan)) == pods
    seen = remade(seen, plan, now)
    for name, found in seen.pods.items():
        for which, pod in enumerate(found):
            if not pod.scheduled:
                seen = with_pod(seen, name, which, placed(now))
                assert deleted(look(builder, seen, offered, now=now)) == set(), pod.meta.name


@GANG
def test_new_pods_that_fall_ill_at_once_have_the_whole_delay(
    builder: SetBuilder, clique: str, pods: int
) -> None:
    seen, plan, now = after_a_breach(builder, clique, NATIVE)
    seen = remade(seen, plan, now)
    for name, found in seen.pods.items():
        for which, pod in enumerate(found):
            if not pod.scheduled:
                seen = with_pod(seen, name, which, placed(now))
    seen = with_pod(seen, clique, 0, ill)
    assert deleted(look(builder, seen, now=after(now, HOUR - 1))) == set()
    assert len(deleted(look(builder, seen, now=after(now, HOUR)))) == pods


def test_a_restarted_gang_that_finds_no_room_waits_without_a_clock() -> None:
    """One pod was placed before the status was written, and no other finds room."""
    seen, plan, now = after_a_breach(PAIR, "tide-0-router", NATIVE)
    seen = with_pod(remade(seen, plan, now), "tide-0-router", 0, placed(now))
    plan = look(PAIR, seen, now=now)
    seen = stored(seen, plan)
    assert not any(
        item["type"] == "MinAvailableReached"
        for clique in seen.cliques.values()
        for item in clique.status["conditions"]
    )
    assert deleted(look(PAIR, seen, now=after(now, 9 * HOUR))) == set()


def test_a_pod_that_waited_for_room_through_the_restart_is_new_when_it_is_placed() -> None:
    _, seen = a_rest(PAIR)
    seen = with_pod(
        seen,
        "tide-0-router",
        0,
        lambda pod: replace(pod, scheduled=False, ready=False, node="", phase="Pending"),
    )
    seen = stored(seen, look(PAIR, seen, now=after(NOW, HOUR)))
    now = after(NOW, 2 * HOUR + 1)
    plan = look(PAIR, seen, now=now)
    assert len(deleted(plan)) == 3
    seen = with_pod(remade(seen, plan, now), "tide-0-router", 0, placed(now))
    assert deleted(look(PAIR, seen, now=now)) == set()


def reached(seen: ReplicaSnapshot) -> set[str]:
    return {
        name
        for records in (seen.cliques, seen.groups)
        for name, record in records.items()
        for condition in record.status["conditions"]
        if condition["type"] == "MinAvailableReached"
    }


def test_a_clique_scaled_to_zero_and_back_waits_for_room_without_a_clock() -> None:
    """The rest of its replica goes on meanwhile, and must not be restarted for it."""
    builder = a_set().with_clique("main", 1).with_clique("extra", 2, minAvailable=2)
    builder = builder.with_template(terminationDelay="1h")
    _, seen = a_rest(builder)
    extra, pods = seen.cliques["tide-0-extra"], seen.pods["tide-0-extra"]
    assert reached(seen) == {"tide-0-main", "tide-0-extra"}

    none = {**seen.pods, "tide-0-extra": ()}
    seen = changed(
        seen, cliques={**seen.cliques, extra.meta.name: replace(extra, replicas=0)}, pods=none
    )
    seen = stored(seen, look(builder, seen, now=after(NOW, 60)))
    assert reached(seen) == {"tide-0-main"}

    waiting = tuple(replace(a_waiting_pod(), meta=pod.meta) for pod in pods)
    back = replace(seen.cliques["tide-0-extra"], replicas=2)
    seen = changed(
        seen,
        cliques={**seen.cliques, "tide-0-extra": back},
        pods={**seen.pods, "tide-0-extra": waiting},
    )
    for hours in (1, 3, 9):
        plan = look(builder, seen, now=after(NOW, hours * HOUR))
        assert deleted(plan) == set()
        seen = stored(seen, plan)


def test_a_group_scaled_to_zero_starts_from_the_beginning() -> None:
    builder = a_set().with_clique("main", 1).with_clique("lead", 1).with_group("crew", "lead")
    _, seen = a_rest(builder)
    group = seen.groups["tide-0-crew"]
    assert "tide-0-crew" in reached(seen)
    seen = changed(seen, groups={"tide-0-crew": replace(group, replicas=0)})
    assert "tide-0-crew" not in reached(stored(seen, look(builder, seen)))


def test_the_tries_are_taken_off_a_pod_that_has_been_ready_for_long() -> None:
    _, seen = a_rest(PAIR)

    def retried(pod: Pod) -> Pod:
        meta = replace(pod.meta, annotations={**pod.meta.annotations, labels.TRIES: "3"})
        return replace(pod, meta=meta, ready_since=NOW)

    seen = with_pod(seen, "tide-0-w", 1, retried)
    plan = look(PAIR, seen, now=after(NOW, 599))
    assert (plan.actions, plan.recheck_after) == ((), 1)
    [patch] = look(PAIR, seen, now=after(NOW, 600)).actions
    assert isinstance(patch, Patch)
    assert patch.name == seen.pods["tide-0-w"][1].meta.name
    assert patch.body == {"metadata": {"annotations": {labels.TRIES: None}}}
