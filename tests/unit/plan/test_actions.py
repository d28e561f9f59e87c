"""Merge patches: what changes, what is lacking, and how it is called."""

from typing import Any

import pytest

from grove_operator.plan.actions import first_difference, merge_patch, missing
from grove_operator.plan.rehearse import apply_merge_patch

PATCHES: dict[str, tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = {
    "equal": ({"a": 1}, {"a": 1}, {}),
    "a new key": ({}, {"a": 1}, {"a": 1}),
    "a key that goes": ({"a": 1, "b": 2}, {"b": 2}, {"a": None}),
    "inside": ({"a": {"b": 1, "c": 2}}, {"a": {"b": 3, "c": 2}}, {"a": {"b": 3}}),
    "lists as a whole": ({"a": [1, 2]}, {"a": [1]}, {"a": [1]}),
    "an object in place of a text": ({"a": "x"}, {"a": {"b": 1}}, {"a": {"b": 1}}),
}


@pytest.mark.parametrize(("current", "wanted", "patch"), PATCHES.values(), ids=PATCHES)
def test_merge_patch(
    current: dict[str, Any], wanted: dict[str, Any], patch: dict[str, Any]
) -> None:
    assert merge_patch(current, wanted) == patch
    assert apply_merge_patch(current, patch) == wanted


LACKING: dict[str, tuple[Any, Any, Any]] = {
    "nothing": ({"a": 1, "b": 2}, {"a": 1}, None),
    "a value": ({"a": 1}, {"a": 2}, {"a": 2}),
    "inside": ({"a": {"b": 1, "c": 9}}, {"a": {"b": 2}}, {"a": {"b": 2}}),
    "nothing in a list whose items have defaults": (
        {"a": [{"b": 1, "by the server": 2}]},
        {"a": [{"b": 1}]},
        None,
    ),
    "an item of a list": ({"a": [1]}, {"a": [1, 2]}, {"a": [1, 2]}),
    "an object": ({}, {"a": {"b": 1}}, {"a": {"b": 1}}),
}


@pytest.mark.parametrize(("current", "wanted", "patch"), LACKING.values(), ids=LACKING)
def test_missing(current: Any, wanted: Any, patch: Any) -> None:
    assert missing(current, wanted) == patch


@pytest.mark.parametrize(
    ("patch", "path"),
    [
        ({"spec": {"b": 1, "a": {"c": 2}}}, "spec.a.c"),
        ({"spec": {"a": None}}, "spec.a"),
        ({"metadata": {}, "spec": {"a": 1}}, "metadata"),
    ],
    ids=["the first by name", "one that goes", "an empty object"],
)
def test_first_difference(patch: dict[str, Any], path: str) -> None:
    assert first_difference(patch) == path
