"""Derived names: clients compute them too, so each is written out here."""

import pytest

from grove_operator.api import names

GROUP = names.group_name("tide", 0, "crew")

DERIVED = {
    "a copy names its Service and base gang": (names.replica_name("tide", 2), "tide-2"),
    "the Service has a cluster address": (
        names.service_address("tide", 0, "harbor"),
        "tide-0.harbor.svc.cluster.local",
    ),
    "a clique outside groups": (names.clique_name("tide", 1, "gate"), "tide-1-gate"),
    "a scaling group": (GROUP, "tide-0-crew"),
    "a clique of a group": (names.group_clique_name(GROUP, 2, "oar"), "tide-0-crew-2-oar"),
    "the first gang beyond the minimum counts from 0": (
        names.scaled_gang_name(GROUP, 2, 2),
        "tide-0-crew-0",
    ),
    "the service account has the set's name": (names.service_account_name("tide"), "tide"),
    "role and binding": (names.role_name("tide"), "grove.io:pcs:tide"),
    "the token's secret": (names.token_secret_name("tide"), "tide-ic-sat"),
    "a hostname ends in the pod's index": (names.hostname("tide-0-gate", 4), "tide-0-gate-4"),
}


@pytest.mark.parametrize(("name", "expected"), DERIVED.values(), ids=DERIVED)
def test_derived_name(name: str, expected: str) -> None:
    assert name == expected


def test_a_pod_name_is_the_clique_and_five_characters() -> None:
    name = names.pod_name("tide-0-gate", "uid-1", 0)
    assert name.startswith("tide-0-gate-")
    suffix = name.removeprefix("tide-0-gate-")
    assert len(suffix) == 5
    assert suffix.isalnum()
    assert suffix == suffix.lower()


def test_a_pod_name_stays_the_same_on_a_second_try() -> None:
    assert names.pod_name("c", "uid-1", 0) == names.pod_name("c", "uid-1", 0)


@pytest.mark.parametrize(
    ("uid", "index", "replaces"),
    [("uid-2", 0, ""), ("uid-1", 1, ""), ("uid-1", 0, "uid-of-the-old-pod")],
    ids=["another clique", "another index", "a replacement"],
)
def test_a_pod_name_differs_for(uid: str, index: int, replaces: str) -> None:
    assert names.pod_name("c", uid, index, replaces) != names.pod_name("c", "uid-1", 0)


BELONGING = {
    "the copy itself": ("tide", "tide-3", 3),
    "a clique in it": ("tide", "tide-12-gate", 12),
    "a clique of a group in it": ("tide", "tide-0-crew-7-oar", 0),
    "another set whose name is longer": ("tide", "tidewater-0", None),
    "another set whose name goes on with a word": ("tide", "tide-low-0", None),
    "the set's own name": ("tide", "tide", None),
    "no index": ("tide", "tide-", None),
    "an index with a leading zero": ("tide", "tide-01", None),
    "a digit that is not ASCII": ("tide", "tide-\N{SUPERSCRIPT TWO}", None),
    "a set with a number in its name": ("tide-1", "tide-1-0-gate", 0),
}


@pytest.mark.parametrize(("set_name", "name", "expected"), BELONGING.values(), ids=BELONGING)
def test_replica_of(set_name: str, name: str, expected: int | None) -> None:
    assert names.replica_of(set_name, name) == expected
