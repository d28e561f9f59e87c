"""Which pods stay, which are made, which go."""

import itertools
from typing import Any

import pytest

from grove_operator.api import labels, names
from grove_operator.observed import Departed, Pod
from grove_operator.policy.placement import CliqueState, NewPod, Placement, place, pod_index
from tests.support.builders import a_pod, a_waiting_pod

GONE = Departed("old", "pod-of-old")


def decide(*pods: Pod, replicas: int, departed: dict[int, Departed] | None = None) -> Placement:
    return place(CliqueState("tide-0-w", "clique-uid", replicas, "new", pods, departed or {}))


def first_name(index: int, replaces: str = "") -> str:
    return names.pod_name("tide-0-w", "clique-uid", index, replaces)


FREE: dict[str, tuple[list[Pod], int, list[int]]] = {
    "a new clique": ([], 3, [0, 1, 2]),
    "nothing is missing": ([a_pod(0), a_pod(1)], 2, []),
    "holes are filled first": ([a_pod(1), a_pod(3)], 4, [0, 2]),
    "a pod that is being deleted frees its index": ([a_pod(0, deleting=True), a_pod(1)], 2, [0]),
    "a clique at zero": ([], 0, []),
    "a failed pod keeps its place": ([a_pod(0, phase="Failed", ready=False)], 1, []),
    "far indices count as they are": ([a_pod(9)], 2, [0]),
}


@pytest.mark.parametrize(("pods", "replicas", "expected"), FREE.values(), ids=FREE)
def test_new_pods_take_the_lowest_free_indices(
    pods: list[Pod], replicas: int, expected: list[int]
) -> None:
    assert [pod.index for pod in decide(*pods, replicas=replicas).create] == expected


def test_a_name_is_the_same_however_often_it_is_asked_for() -> None:
    assert decide(replicas=3) == decide(replicas=3)
    assert decide(replicas=1).create == (NewPod(0, first_name(0)),)


def test_a_replacement_is_named_after_the_pod_that_is_being_deleted() -> None:
    [new] = decide(a_pod(0, first_name(0), uid="old", deleting=True), replicas=1).create
    assert new.name == first_name(0, "old") != first_name(0)


def test_a_replacement_is_named_after_the_pod_that_is_gone() -> None:
    [new] = decide(replicas=1, departed={0: GONE}).create
    assert new.name == first_name(0, "old")


def test_the_name_does_not_change_when_the_old_pod_has_finally_gone() -> None:
    leaving = decide(a_pod(0, first_name(0), uid="old", deleting=True), replicas=1)
    left = decide(replicas=1, departed={0: GONE})
    assert leaving.names == left.names


def test_of_two_pods_being_deleted_the_younger_one_counts() -> None:
    older = a_pod(0, "a", uid="older", deleting=True, created="2026-01-01T00:00:00Z")
    younger = a_pod(0, "b", uid="younger", deleting=True, created="2026-01-02T00:00:00Z")
    for pods in itertools.permutations((older, younger)):
        assert decide(*pods, replicas=1).create[0].name == first_name(0, "younger")


def test_a_name_that_is_still_borne_is_not_given_again() -> None:
    """As after a restart, when nobody knows what the deleted pod had replaced."""
    bearer = a_pod(0, first_name(0, "x"), uid="x", deleting=True)
    [new] = decide(bearer, replicas=1).create
    assert new.name not in {first_name(0, "x"), first_name(0)}


DUPLICATES: dict[str, tuple[list[Pod], list[str]]] = {
    "the ready one stays": ([a_pod(0, "a", ready=False), a_pod(0, "b")], ["b"]),
    "then the placed one": ([a_waiting_pod(0, name="a"), a_pod(0, "b", ready=False)], ["b"]),
    "then the older one": (
        [a_pod(0, "a", created="2026-01-02"), a_pod(0, "b", created="2026-01-01")],
        ["b"],
    ),
    "then the first by name": ([a_pod(0, "b"), a_pod(0, "a")], ["a"]),
    "one without an index goes": ([a_pod(None, "a"), a_pod(0, "b")], ["b"]),
    "one being deleted is no rival": ([a_pod(0, "a", deleting=True), a_pod(0, "b")], ["b"]),
}


@pytest.mark.parametrize(("pods", "kept"), DUPLICATES.values(), ids=DUPLICATES)
def test_an_index_has_one_pod(pods: list[Pod], kept: list[str]) -> None:
    for order in itertools.permutations(pods):
        found = decide(*order, replicas=1)
        assert [pod.meta.name for pod in found.keep] == kept
        assert found.create == ()
        living = [pod.meta.name for pod in pods if not pod.meta.deleting]
        assert sorted(pod.meta.name for pod in found.delete) == sorted(set(living) - set(kept))


OLD, NEW = "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"
VICTIMS: dict[str, tuple[Pod, Pod]] = {
    "one without a node before one with": (
        a_waiting_pod(0),
        a_pod(1, phase="Pending", ready=False),
    ),
    "a pending one before a running one": (
        a_pod(0, phase="Pending", ready=False),
        a_pod(1, ready=False),
    ),
    "an unknown one before a running one": (
        a_pod(0, phase="Unknown", ready=False),
        a_pod(1, ready=False),
    ),
    "one that is not ready before one that is": (a_pod(0, ready=False), a_pod(1)),
    "an outdated one before a current one": (a_pod(0, template="old"), a_pod(1)),
    "a new one before an old one": (a_pod(0, created=NEW), a_pod(1, created=OLD)),
    "else the higher index": (a_pod(1, created=OLD), a_pod(0, created=OLD)),
    "no node counts more than readiness": (
        a_waiting_pod(0, created=OLD),
        a_pod(1, template="old", ready=False, created=NEW),
    ),
    "not ready counts more than outdated": (a_pod(0, ready=False), a_pod(1, template="old")),
    "outdated counts more than age": (
        a_pod(0, template="old", created=OLD),
        a_pod(1, created=NEW),
    ),
}


@pytest.mark.parametrize(("victim", "survivor"), VICTIMS.values(), ids=VICTIMS)
def test_who_goes_first(victim: Pod, survivor: Pod) -> None:
    for pods in ((victim, survivor), (survivor, victim)):
        found = decide(*pods, replicas=1)
        assert (found.delete, found.keep) == ((victim,), (survivor,))


def test_scaling_to_zero_takes_all() -> None:
    found = decide(a_pod(0), a_pod(1), replicas=0)
    assert len(found.delete) == 2
    assert found.names == []


def test_the_gang_lists_what_stays_and_what_comes_but_not_what_goes() -> None:
    found = decide(a_pod(0, "stays"), a_pod(1, "leaves", deleting=True), replicas=2)
    assert found.names == sorted(["stays", found.create[0].name])


@pytest.mark.parametrize("text", ["", "x", "-1", "1.0", "²", " 1"])
def test_a_spoilt_index_is_none(text: str) -> None:
    spoilt: dict[str, Any] = {labels.POD_INDEX: text}
    pod = a_pod(None)
    assert pod_index(Pod(meta=type(pod.meta)(**(_fields(pod) | {"labels": spoilt})))) is None


def _fields(pod: Pod) -> dict[str, Any]:
    return {key: getattr(pod.meta, key) for key in pod.meta.__struct_fields__}
