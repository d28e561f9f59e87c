"""PodCliques that wait for their turn in an update stay as they run, and so do their new pods."""

from collections.abc import Mapping
from dataclasses import replace as changed

import pytest
from msgspec.structs import replace

from grove_operator.api import labels
from grove_operator.observed import Kind, ReplicaSnapshot
from grove_operator.plan.actions import Create, Patch
from tests.support.builders import PLAIN, a_rest, a_set, look

THEIRS = {"team": "sea", "app.kubernetes.io/version": "7"}
NOTES = {"note": "y"}
SET = a_set().with_clique("w", 2, minAvailable=1, labels=THEIRS, annotations=NOTES)
CHANGED = SET.with_clique("w", 2, minAvailable=1, labels={"team": "land"})


def waiting(annotations: Mapping[str, str]) -> ReplicaSnapshot:
    """Its update has yet to begin, and one of its pods is going."""
    _, seen = a_rest(SET, PLAIN)
    clique = seen.cliques["tide-0-w"]
    notes = {**clique.meta.annotations, **annotations}
    notes = {key: value for key, value in notes.items() if value}
    clique = replace(clique, meta=replace(clique.meta, annotations=notes))
    first, second = seen.pods["tide-0-w"]
    going = replace(first, meta=replace(first.meta, deleting=True))
    return changed(
        seen,
        cliques={"tide-0-w": clique},
        pods={"tide-0-w": (going, second)},
        set_status={"currentGenerationHash": "another"},
    )


MADE_BY = {
    "us": {},
    "Grove": {labels.LAST_APPLIED: ""},
    "us, and spoilt": {labels.LAST_APPLIED: "{"},
}


@pytest.mark.parametrize("annotations", MADE_BY.values(), ids=MADE_BY)
def test_a_pod_made_meanwhile_is_like_the_others(annotations: dict[str, str]) -> None:
    plan = look(CHANGED, waiting(annotations), PLAIN)
    [pod] = [item.body["metadata"] for item in plan.actions if isinstance(item, Create)]
    assert {key: pod["labels"].get(key) for key in THEIRS} == THEIRS
    assert pod["annotations"] == NOTES


def test_what_grove_took_from_the_template_is_noted() -> None:
    """So the update can tell it from what others put there."""
    plan = look(CHANGED, waiting({labels.LAST_APPLIED: ""}), PLAIN)
    [patch] = [
        item for item in plan.actions if isinstance(item, Patch) and item.kind is Kind.CLIQUE
    ]
    note = patch.body["metadata"]["annotations"][labels.LAST_APPLIED]
    assert '"labels":["app.kubernetes.io/version","team"],"annotations":["note"]' in note
