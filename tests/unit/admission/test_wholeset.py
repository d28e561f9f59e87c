"""Rules about the set as a whole: what passes, what does not, and in which words."""

from typing import Any

import pytest

from tests.unit.admission.manifest import (
    CLIQUES,
    GROUPS,
    NAME_WORDS,
    a_set,
    clique,
    errors,
    group,
    grouped,
)

DELAY = "spec.template.terminationDelay"

CASES: dict[str, tuple[dict[str, Any], list[str]]] = {
    "one clique": (a_set(clique()), []),
    "no copies": (a_set(clique(), replicas=0), []),
    "a name that starts with a digit": (a_set(clique(), name="0-x"), []),
    "a name with a dot": (
        a_set(clique(), name="a.b"),
        [f'metadata.name: Invalid value: "a.b": {NAME_WORDS}'],
    ),
    "no name": (
        a_set(clique(), name=""),
        [f'metadata.name: Invalid value: "": {NAME_WORDS}'],
    ),
    "fewer than no copies": (
        a_set(clique(), replicas=-1),
        ["spec.replicas: Invalid value: -1: must not be negative"],
    ),
    "as many pods as may be": (a_set(clique(replicas=20), replicas=5_000), []),
    "more copies than pods may be": (
        a_set(clique(), replicas=2_000_000_000),
        ["spec.replicas: Invalid value: 2000000000: must not be more than 100000"],
    ),
    "more pods of a clique than may be": (
        a_set(clique(replicas=100_001)),
        [f"{CLIQUES}[0].spec.replicas: Invalid value: 100001: must not be more than 100000"],
    ),
    "more copies of a group than pods may be": (
        grouped(group("g", "a", replicas=100_001), cliques="a"),
        [f"{GROUPS}[0].replicas: Invalid value: 100001: must not be more than 100000"],
    ),
    "more pods in all than may be": (
        grouped(group("g", "a", replicas=50_000), cliques="a b"),
        ["spec.replicas: Invalid value: 1: makes 100002 pods, and a set may have 100000"],
    ),
    "no cliques": (a_set(), [f"{CLIQUES}: Required value: a set has at least one clique"]),
    "two cliques of one name": (
        a_set(clique("a", roleName="x"), clique("b"), clique("a")),
        [f'{CLIQUES}[2]: Duplicate value: {{"name":"a"}}'],
    ),
    "any text as a role": (a_set(clique("a", roleName="A role!")), []),
    "one clique without a role": (a_set(clique("a", roleName=""), clique("b")), []),
    "two cliques without a role": (
        a_set(clique("a", roleName=""), clique("b", roleName="")),
        [f'{CLIQUES}.roleName: Duplicate value: [""]'],
    ),
    "two roles that are given twice": (
        a_set(*(clique(name, roleName=role) for name, role in zip("abcde", "xyyxx", strict=True))),
        [f'{CLIQUES}.roleName: Duplicate value: ["y","x"]'],
    ),
    "the shortest delay": (a_set(clique(), terminationDelay="1ns"), []),
    "a delay of nothing": (
        a_set(clique(), terminationDelay="0"),
        [f'{DELAY}: Invalid value: "0s": terminationDelay must be greater than 0'],
    ),
    "a negative delay": (
        a_set(clique(), terminationDelay="-90m"),
        [f'{DELAY}: Invalid value: "-1h30m0s": terminationDelay must be greater than 0'],
    ),
    "a delay that is none": (
        a_set(clique(), terminationDelay="soon"),
        [f'{DELAY}: Invalid value: "soon": time: invalid duration "soon"'],
    ),
}


@pytest.mark.parametrize(("body", "expected"), CASES.values(), ids=CASES)
def test_a_set(body: dict[str, Any], expected: list[str]) -> None:
    assert errors(body) == expected


def test_a_delay_as_long_as_a_book_is_not_read() -> None:
    (error,) = errors(a_set(clique(), terminationDelay="1h" * 200_000))
    assert error.endswith(": a duration may have at most 256 characters")


def spread(**values: str) -> list[str]:
    annotations = {f"grove.io/spread-replicas{key}": value for key, value in values.items()}
    body = a_set(clique())
    body["metadata"]["annotations"] = annotations
    return errors(body)


AT = "metadata.annotations.grove.io/spread-replicas"
SPREADS: dict[str, tuple[dict[str, str], list[str]]] = {
    "over a domain": ({"": "rack"}, []),
    "over a node label": ({"": "topology.kubernetes.io/zone", "-policy": "Required"}, []),
    "if it can be": ({"": "rack", "-policy": "Preferred"}, []),
    "over nothing": (
        {"": " "},
        [
            f'{AT}: Invalid value: " ": must be a topology domain or a node label: the name must '
            "not be empty"
        ],
    ),
    "in some other way": (
        {"": "rack", "-policy": "maybe"},
        [f'{AT}-policy: Invalid value: "maybe": must be Required or Preferred'],
    ),
}


@pytest.mark.parametrize(("given", "expected"), SPREADS.values(), ids=SPREADS)
def test_the_spread_of_replicas(given: dict[str, str], expected: list[str]) -> None:
    assert spread(**given) == expected
