"""The history of a set's templates: one write for each change, and nothing lost that runs."""

from dataclasses import replace as changed
from typing import Any

import pytest

from grove_operator.api import labels
from grove_operator.observed import Child, Kind, ReplicaSummary, SetSnapshot
from grove_operator.plan.actions import Action, Create, Delete, Patch
from grove_operator.plan.revisions import plan_revisions
from tests.support.builders import SetBuilder, a_child, a_meta, a_set

SET = a_set(replicas=2).with_clique("w")
NEWEST = f"tide-{SET.blueprint().generation_hash}"
OURS = SET.uid


def revisions(**numbers: int) -> dict[str, Child]:
    """By name; `newest` stands for that of the present template."""
    named = {name.replace("newest", NEWEST): number for name, number in numbers.items()}
    return {
        name: a_child(name, {"revision": number}, owner_uid=OURS) for name, number in named.items()
    }


def old(count: int) -> dict[str, int]:
    return {f"old{number}": number for number in range(1, count + 1)}


def look(
    found: dict[str, Child], builder: SetBuilder = SET, *summaries: ReplicaSummary
) -> list[Action]:
    manifest = builder.manifest()
    record = Child(meta=a_meta("tide"), body={"spec": manifest["spec"]})
    seen = SetSnapshot({Kind.REVISION: found}, dict(enumerate(summaries)))
    return list(plan_revisions(builder.blueprint(), record, seen))


def settled(builder: SetBuilder = SET, **fields: Any) -> ReplicaSummary:
    target = builder.blueprint().generation_hash
    return changed(ReplicaSummary(target=target, is_current=True, available=True), **fields)


def test_a_new_template_is_kept_as_the_user_wrote_it() -> None:
    [action] = look({})
    assert isinstance(action, Create)
    assert (action.name, action.owner.name, action.body["revision"]) == (NEWEST, "tide", 1)
    assert action.body["data"] == {"spec": {"template": SET.manifest()["spec"]["template"]}}
    own = action.body["metadata"]["labels"]
    assert own[labels.COMPONENT] == "pcs-revision"
    assert own[labels.PART_OF] == "tide"


NUMBERS: dict[str, tuple[dict[str, int], list[Any]]] = {
    "the next number": ({"old": 4}, [4 + 1]),
    "nothing to do": ({"old": 4, "newest": 5}, []),
    "applied again": ({"newest": 2, "old": 7}, [{"revision": 8}]),
}


@pytest.mark.parametrize(("numbers", "expected"), NUMBERS.values(), ids=NUMBERS)
def test_numbers_rise(numbers: dict[str, int], expected: list[Any]) -> None:
    actions = look(revisions(**numbers))
    assert [
        item.body["revision"] if isinstance(item, Create) else item.body
        for item in actions
        if isinstance(item, Create | Patch)
    ] == expected
    assert len(actions) == len(expected)


def test_one_of_somebody_else_does_not_count() -> None:
    theirs = {"old": a_child("old", {"revision": 9}, owner_uid="another")}
    [action] = look(theirs)
    assert isinstance(action, Create)
    assert action.body["revision"] == 1


def pruned(actions: list[Action]) -> list[str]:
    assert all(isinstance(item, Delete) for item in actions)
    return [item.name for item in actions]


def limited(text: str) -> SetBuilder:
    return SET.but(annotations={labels.REVISION_LIMIT: text})


LIMITS: dict[str, tuple[SetBuilder, int, list[str]]] = {
    "ten unless something else is said": (SET, 12, ["old1", "old2"]),
    "as many as are allowed": (SET, 10, []),
    "as the annotation says": (limited("1"), 3, ["old1", "old2"]),
    "none": (limited("0"), 1, ["old1"]),
    "what is no number": (limited("few"), 11, ["old1"]),
    "what is too long to be a number": (limited("9" * 5000), 11, ["old1"]),
}


@pytest.mark.parametrize(("builder", "count", "expected"), LIMITS.values(), ids=LIMITS)
def test_the_oldest_go(builder: SetBuilder, count: int, expected: list[str]) -> None:
    found = revisions(newest=99, **old(count))
    assert pruned(look(found, builder, settled(), settled())) == expected


UNSURE: dict[str, tuple[ReplicaSummary, ...]] = {
    "a replica has not been looked at": (settled(),),
    "a replica has old pods": (settled(), settled(stale=True)),
    "a replica waits for its turn": (settled(), settled(is_current=False)),
    "a replica was judged by an older template": (settled(), settled(target="other")),
}


@pytest.mark.parametrize("summaries", UNSURE.values(), ids=UNSURE)
def test_nothing_goes_while_it_may_run(summaries: tuple[ReplicaSummary, ...]) -> None:
    assert look(revisions(newest=99, **old(50)), SET, *summaries) == []


STALE = (settled(), settled(stale=True))
CAPS: dict[str, tuple[SetBuilder, int, list[str]]] = {
    "fifty": (SET, 52, ["old1", "old2"]),
    "fifty where fewer are asked for": (limited("1"), 51, ["old1"]),
    "as many as are asked for": (limited("60"), 61, ["old1"]),
}


@pytest.mark.parametrize(("builder", "count", "expected"), CAPS.values(), ids=CAPS)
def test_but_one_old_pod_does_not_keep_them_without_end(
    builder: SetBuilder, count: int, expected: list[str]
) -> None:
    assert pruned(look(revisions(newest=99, **old(count)), builder, *STALE)) == expected
