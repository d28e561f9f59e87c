"""The MNNVL annotation: its syntax, the feature that it needs, and that it stays."""

from typing import Any

import pytest

from grove_operator.admission.mnnvl import mnnvl_on_create, mnnvl_on_update
from grove_operator.api.podcliqueset import PodCliqueSet
from tests.unit.admission.submitting import CLIQUES, GROUPS, a_set, clique, group, submit

KEY = "grove.io/mnnvl-group"
AT_SET = f"metadata.annotations.{KEY}"
AT_CLIQUE = f"{CLIQUES}[0].annotations.{KEY}"
AT_GROUP = f"{GROUPS}[0].annotations.{KEY}"
OFF = (
    "MNNVL is not enabled (network.autoMNNVLEnabled in OperatorConfiguration), "
    'only "none" is allowed'
)
SYNTAX = (
    'must be "none" or a lowercase RFC 1123 label: at most 63 lower case letters, digits and '
    "dashes, and a letter or digit at the start and the end"
)
PLACES = {"set": AT_SET, "clique": AT_CLIQUE, "group": AT_GROUP}


def noted(place: str, value: str | None) -> PodCliqueSet:
    """A set of one clique in a group, with the annotation at one place."""
    fields: dict[str, Any] = {} if value is None else {"annotations": {KEY: value}}
    at = {name: fields if name == place else {} for name in PLACES}
    groups = [group("g", "a", **at["group"])]
    return a_set(clique("a", **at["clique"]), metadata=at["set"], podCliqueScalingGroups=groups)


def created(pcs: PodCliqueSet, *, enabled: bool) -> list[str]:
    return [str(error) for error in mnnvl_on_create(submit(pcs, mnnvl_enabled=enabled))]


def updated(old: PodCliqueSet, new: PodCliqueSet) -> list[str]:
    return [str(error) for error in mnnvl_on_update(submit(new, old))]


@pytest.mark.parametrize(("place", "path"), PLACES.items(), ids=PLACES)
@pytest.mark.parametrize("value", ["", "None", "a.b", "-a", "a-", "a_b", "a" * 64])
def test_a_bad_value_is_refused_at_every_place(place: str, path: str, value: str) -> None:
    bad = f'{path}: Invalid value: "{value}": {SYNTAX}'
    assert created(noted(place, value), enabled=True) == [bad]
    off = f'{path}: Invalid value: "{value}": {OFF}'
    assert created(noted(place, value), enabled=False) == [bad, off]


@pytest.mark.parametrize(("place", "path"), PLACES.items(), ids=PLACES)
@pytest.mark.parametrize("value", ["a", "0", "rack-1", "a" * 63])
def test_a_group_needs_the_feature(place: str, path: str, value: str) -> None:
    assert created(noted(place, value), enabled=True) == []
    expected = [f'{path}: Invalid value: "{value}": {OFF}']
    assert created(noted(place, value), enabled=False) == expected


@pytest.mark.parametrize("enabled", [True, False], ids=["on", "off"])
@pytest.mark.parametrize("value", ["none", None])
@pytest.mark.parametrize("place", PLACES)
def test_no_group_is_always_allowed(place: str, value: str | None, *, enabled: bool) -> None:
    assert created(noted(place, value), enabled=enabled) == []


CHANGES: dict[str, tuple[str | None, str | None, str]] = {
    "added": (None, "x", f"Forbidden: annotation {KEY} cannot be added after creation"),
    "opted out later": (None, "none", f"Forbidden: annotation {KEY} cannot be added"),
    "removed": ("x", None, f"Forbidden: annotation {KEY} cannot be removed after creation"),
    "changed": (
        "x",
        "y",
        f'Invalid value: "y": annotation {KEY} is immutable and cannot be changed from "x"',
    ),
    "emptied": (
        "x",
        "",
        f'Invalid value: "": annotation {KEY} is immutable and cannot be changed from "x"',
    ),
}


@pytest.mark.parametrize(("place", "path"), PLACES.items(), ids=PLACES)
@pytest.mark.parametrize(("was", "becomes", "expected"), CHANGES.values(), ids=CHANGES)
def test_it_stays(
    place: str, path: str, was: str | None, becomes: str | None, expected: str
) -> None:
    [error] = updated(noted(place, was), noted(place, becomes))
    assert error.startswith(f"{path}: {expected}")


@pytest.mark.parametrize("value", [None, "x", "none", "Bad Value"])
@pytest.mark.parametrize("place", PLACES)
def test_what_stays_is_not_judged_again(place: str, value: str | None) -> None:
    assert updated(noted(place, value), noted(place, value)) == []


def test_cliques_and_groups_are_paired_by_name() -> None:
    x, y = clique("a", annotations={KEY: "x"}), clique("b", annotations={KEY: "y"})
    g, h = group("g", "a", annotations={KEY: "x"}), group("h", "b")
    old = a_set(x, y, podCliqueScalingGroups=[g, h])
    assert updated(old, a_set(y, x, podCliqueScalingGroups=[h, g])) == []


def test_new_cliques_are_left_to_the_composition_rule() -> None:
    new = a_set(clique("a"), clique("b", annotations={KEY: "x"}))
    assert updated(a_set(clique("a")), new) == []


def test_rules_of_creation_and_update_keep_to_their_own() -> None:
    bad = noted("set", "Bad Value")
    assert list(mnnvl_on_create(submit(bad, bad))) == []
    assert list(mnnvl_on_update(submit(bad))) == []
