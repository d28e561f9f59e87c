"""In which order an update takes pods, and what it says of itself when it cannot go on."""

from dataclasses import replace
from typing import Any

from msgspec.structs import replace as changed

from grove_operator.api import labels
from grove_operator.desired.updateorder import UpdateOrder, read_order
from grove_operator.observed import Pod, ReplicaSnapshot, Surroundings
from grove_operator.plan.actions import Delete, Patch
from grove_operator.plan.rehearse import apply_merge_patch
from grove_operator.plan.replica import plan_replica
from tests.support.builders import LATER, NOW, PLAIN, SetBuilder, a_rest, a_set

OLD = a_set(replicas=2).with_clique("w", 2, minAvailable=1)
NEW = OLD.with_clique(
    "w", 2, minAvailable=1, pod_spec={"containers": [{"name": "app", "image": "x:2"}]}
)
HASH = NEW.blueprint().by_name["w"].pod_hash
CLIQUE = "tide-0-w"


def in_hand(taken: str = "") -> ReplicaSnapshot:
    """A replica of the old template whose turn it is."""
    _, seen = a_rest(OLD, PLAIN)
    turn = {"updateStartedAt": NOW, "currentlyUpdating": [{"replicaIndex": 0}]}
    status = {
        "currentGenerationHash": NEW.blueprint().generation_hash,
        "updateProgress": turn,
    }
    clique = seen.cliques[CLIQUE]
    progress = {
        "updateStartedAt": NOW,
        "podCliqueSetGenerationHash": status["currentGenerationHash"],
        "podTemplateHash": HASH,
        "readyPodsSelectedToUpdate": {"current": taken},
    }
    if taken:
        own = apply_merge_patch(clique.status, {"updateProgress": progress})
        seen = replace(seen, cliques={CLIQUE: changed(clique, status=own)})
    return replace(seen, set_status=status)


def with_pods(seen: ReplicaSnapshot, *pods: Pod) -> ReplicaSnapshot:
    return replace(seen, pods={CLIQUE: pods})


def successor(pod: Pod, **fields: Any) -> Pod:
    own = {**pod.meta.labels, labels.TEMPLATE_HASH: HASH}
    meta = changed(pod.meta, name=f"{pod.meta.name}-new", uid=f"{pod.meta.uid}-new", labels=own)
    return changed(pod, meta=meta, **fields)


def waits_for(builder: SetBuilder, seen: ReplicaSnapshot) -> str:
    plan = plan_replica(builder.blueprint(), 0, seen, PLAIN, LATER)
    assert plan.summary is not None
    return plan.summary.waiting


def test_new_pods_that_all_crash_are_told_though_no_step_is_left() -> None:
    """The turn stays with the replica until it is whole, so its update is what cannot go on."""
    seen = in_hand()
    crash = {"ready": False, "failing": True, "trouble": "CrashLoopBackOff: container app"}
    pods = [successor(pod, **crash) for pod in seen.pods[CLIQUE]]
    said = waits_for(NEW, with_pods(seen, *pods))
    assert said == (
        f"PodClique {CLIQUE}: pod {pods[0].meta.name} is not ready: CrashLoopBackOff: container app"
    )


def test_a_successor_that_is_refused_is_told() -> None:
    seen = in_hand(taken="gone")
    [pod, _] = seen.pods[CLIQUE]
    refused = Surroundings(refused="Pod x: exceeded quota: small")
    seen = replace(with_pods(seen, pod), surroundings=refused)
    assert "exceeded quota: small" in waits_for(NEW, seen)


def test_nothing_is_told_while_it_goes_on() -> None:
    seen = in_hand(taken="gone")
    [pod, other] = seen.pods[CLIQUE]
    assert waits_for(NEW, with_pods(seen, pod)) == ""
    assert waits_for(NEW, with_pods(seen, pod, successor(other))) == ""


def stored(seen: ReplicaSnapshot) -> UpdateOrder:
    """The order that a look stores with the PodClique's template."""
    plan = plan_replica(NEW.blueprint(), 0, seen, PLAIN, LATER)
    [patch] = [item for item in plan.actions if isinstance(item, Patch)]
    assert not any(isinstance(item, Delete) for item in plan.actions)
    return read_order(patch.body["metadata"]["annotations"][labels.UPDATE_ORDER])


def with_order(seen: ReplicaSnapshot, order: UpdateOrder) -> ReplicaSnapshot:
    clique = seen.cliques[CLIQUE]
    notes = {**clique.meta.annotations, labels.UPDATE_ORDER: order.as_text()}
    meta = changed(clique.meta, annotations=notes)
    return replace(seen, cliques={CLIQUE: changed(clique, meta=meta)})


def test_the_order_comes_with_the_template_and_before_any_removal() -> None:
    seen = in_hand()
    names = sorted(pod.meta.name for pod in seen.pods[CLIQUE])
    assert stored(seen) == UpdateOrder(HASH, LATER, tuple(names))


def test_an_update_that_an_older_operator_has_begun_goes_on() -> None:
    """It kept what it had taken in the status."""
    seen = in_hand(taken="gone")
    [_, pod] = seen.pods[CLIQUE]
    order = stored(with_pods(seen, pod))
    assert (order.pods, order.since) == (("gone", pod.meta.name), NOW)


def test_a_new_target_waits_for_what_the_last_one_has_taken() -> None:
    earlier = UpdateOrder("h-earlier", NOW, ("first", "second"))
    seen = with_order(in_hand(), earlier)
    [_, pod] = seen.pods[CLIQUE]
    assert stored(with_pods(seen, pod)).pods == ("first", "second", pod.meta.name)


def test_nobody_waits_for_what_an_update_took_that_is_over() -> None:
    seen = with_order(in_hand(), UpdateOrder("h-earlier", NOW, ("first", "second")))
    clique = seen.cliques[CLIQUE]
    over = {"podTemplateHash": "h-earlier", "updateStartedAt": NOW, "updateEndedAt": NOW}
    own = {**clique.status, "updateProgress": over}
    seen = replace(seen, cliques={CLIQUE: changed(clique, status=own)})
    assert stored(seen).pods == tuple(sorted(pod.meta.name for pod in seen.pods[CLIQUE]))


def test_until_its_turn_a_clique_counts_as_what_it_is() -> None:
    """Its own template has not changed yet, and clients wait for updatedReplicas."""
    turn = {"updateStartedAt": NOW, "currentlyUpdating": [{"replicaIndex": 1}]}
    status = {
        "currentGenerationHash": NEW.blueprint().generation_hash,
        "updateProgress": turn,
    }
    _, seen = a_rest(OLD, PLAIN)
    plan = plan_replica(NEW.blueprint(), 0, replace(seen, set_status=status), PLAIN, LATER)
    assert (plan.actions, plan.statuses) == ((), ())
    assert plan.summary is not None
    assert plan.summary.stale
