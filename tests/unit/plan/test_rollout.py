"""A set's update from replica to replica."""

from dataclasses import replace as changed
from typing import Any

from grove_operator.observed import ReplicaSummary, SetSnapshot
from grove_operator.plan.rollout import Rollout, plan_rollout
from tests.support.builders import NOW, SetBuilder, a_set

SET = a_set(replicas=2).with_clique("w", 2)
HASH = SET.blueprint().generation_hash
WHOLE = ReplicaSummary(target=HASH, is_current=True, available=True, placed=True)
OLD = changed(WHOLE, is_current=False, stale=True)


def roll(
    status: dict[str, Any],
    *known: ReplicaSummary,
    builder: SetBuilder = SET,
    turn: int | None = None,
) -> Rollout:
    stale = sum(item.stale for item in known)
    seen = SetSnapshot({}, dict(enumerate(known)), stale=stale, turn=turn)
    return plan_rollout(builder.blueprint(), status, seen, NOW)


def held(index: int, **fields: Any) -> dict[str, Any]:
    entry = {"replicaIndex": index, "updateStartedAt": NOW}
    progress = {"updateStartedAt": NOW, "currentlyUpdating": [entry], **fields}
    return {"currentGenerationHash": HASH, "updateProgress": progress}


def test_a_new_set_notes_its_hash_at_once_and_updates_nothing() -> None:
    assert roll({}) == Rollout(changed=True)
    assert roll({"currentGenerationHash": HASH}, WHOLE, WHOLE) == Rollout()


def test_a_changed_hash_begins_an_update_and_wakes_all() -> None:
    found = roll({"currentGenerationHash": "old"}, OLD, OLD)
    assert found.changed
    assert found.wake == {0, 1}
    assert found.progress is not None
    assert found.progress["currentlyUpdating"] == [{"replicaIndex": 0, "updateStartedAt": NOW}]
    assert found.condition is not None
    assert (found.condition["status"], found.condition["reason"]) == ("True", "Progressing")


def test_old_pods_without_a_noted_update_begin_one() -> None:
    """The template changed before its first hash was stored."""
    assert roll({"currentGenerationHash": HASH}, OLD, WHOLE).progress is not None


def test_the_turn_goes_on_without_waiting_for_the_status() -> None:
    found = roll(held(0), WHOLE, OLD)
    assert found.progress is not None
    assert found.progress["currentlyUpdating"][0]["replicaIndex"] == 1
    assert (found.turn, found.changed) == (1, False)


def test_what_the_last_look_said_counts_more_than_the_stored_status() -> None:
    found = roll(held(0), WHOLE, OLD, OLD, turn=2, builder=SET.but(replicas=3))
    assert found.turn == 2
    begun = roll(held(0) | {"currentGenerationHash": "old"}, OLD, OLD, turn=1)
    assert begun.turn == 1


def test_a_second_change_keeps_the_replica_in_hand() -> None:
    status = held(1) | {"currentGenerationHash": "old"}
    found = roll(status, OLD, OLD)
    assert found.progress is not None
    assert found.progress["currentlyUpdating"][0]["replicaIndex"] == 1


def test_the_end_is_noted_once() -> None:
    found = roll(held(1), WHOLE, WHOLE)
    assert found.progress is not None
    assert found.progress["updateEndedAt"] == NOW
    assert "currentlyUpdating" not in found.progress
    again = roll({"currentGenerationHash": HASH, "updateProgress": found.progress}, WHOLE, WHOLE)
    assert (again.progress, again.changed) == (found.progress, False)


def test_what_is_in_the_way_is_told() -> None:
    stuck = changed(OLD, available=False, waiting="pod x is not ready: ErrImagePull")
    found = roll(held(0), stuck, OLD)
    assert found.condition is not None
    assert found.condition["reason"] == "Waiting"
    assert found.condition["message"] == "replica 0: pod x is not ready: ErrImagePull"


def test_on_delete_ends_as_it_begins() -> None:
    builder = SET.but(strategy="OnDelete")
    found = roll({"currentGenerationHash": "old"}, OLD, OLD, builder=builder)
    assert found.progress is not None
    assert found.progress["updateEndedAt"] == found.progress["updateStartedAt"] == NOW
    assert "currentlyUpdating" not in found.progress


def test_what_on_delete_has_left_is_updated_once_the_set_rolls_again() -> None:
    """Mixed pods of a group replica are stale, too: no pass but an update makes them one."""
    left = changed(OLD, target=HASH, is_current=False, stale=True)
    status = {"currentGenerationHash": HASH, "updateProgress": {"updateEndedAt": "earlier"}}
    found = roll(status, WHOLE, left)
    assert found.progress is not None
    assert "updateEndedAt" not in found.progress
    assert found.progress["updateStartedAt"] == NOW
    again = roll({"currentGenerationHash": HASH, "updateProgress": found.progress}, WHOLE, left)
    assert again.progress is not None
    assert again.progress["currentlyUpdating"] == [{"replicaIndex": 1, "updateStartedAt": NOW}]
    kept = roll(status, WHOLE, left, builder=SET.but(strategy="OnDelete"))
    assert kept.progress is not None
    assert kept.progress["updateEndedAt"] == "earlier"
