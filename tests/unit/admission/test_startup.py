"""Rules about startsAfter, and the search for circles."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grove_operator.admission.startup import find_circles
from tests.unit.admission.manifest import CLIQUES, EXPLICIT, a_set, clique, errors

PATH = f"{CLIQUES}[0].spec.startsAfter"
BLANK = f"{PATH}: Required value: startsAfter must not have blank entries"
CIRCLE = "cliques must not have circular dependencies in startsAfter"


def ordered(**after: list[str]) -> dict[str, Any]:
    made = [clique(name, startsAfter=names) for name, names in after.items()]
    return a_set(*made, **EXPLICIT)


def unknown(names: str) -> str:
    return f'{CLIQUES}.startsAfter: Invalid value: "{names}": unknown clique names found'


CASES: dict[str, tuple[dict[str, Any], list[str]]] = {
    "dependencies that end": (ordered(a=[], b=["a"], c=["a", "b"]), []),
    "a blank": (ordered(a=["", "b"], b=[]), [BLANK, unknown("")]),
    "blanks": (ordered(a=[" "], b=[]), [BLANK, unknown(" ")]),
    "itself": (
        ordered(a=["a"], b=[]),
        [f'{PATH}: Invalid value: "a": a clique cannot refer to itself'],
    ),
    "the same twice": (
        ordered(a=["b", "c", "c", "b", "c"], b=[], c=[]),
        [f'{PATH}: Duplicate value: ["c","b"]'],
    ),
    "unknown cliques": (ordered(a=["zz", "b"], b=["yy", "zz"]), [unknown("zz,yy")]),
    "a circle of two": (
        ordered(a=["b"], b=["a"], c=["a"]),
        [f'{CLIQUES}: Invalid value: [["a","b"]]: {CIRCLE}'],
    ),
    "two circles and a way between": (
        ordered(a=["b"], b=["c"], c=["a", "d"], d=["e"], e=["d"]),
        [f'{CLIQUES}: Invalid value: [["a","b","c"],["d","e"]]: {CIRCLE}'],
    ),
}


@pytest.mark.parametrize(("body", "expected"), CASES.values(), ids=CASES)
def test_dependencies(body: dict[str, Any], expected: list[str]) -> None:
    assert errors(body) == expected


@pytest.mark.parametrize("startup", ["CliqueStartupTypeAnyOrder", "CliqueStartupTypeInOrder"])
def test_nobody_reads_them_otherwise(startup: str) -> None:
    bad = [clique("a", startsAfter=["b", "", "a", "zz", "zz"]), clique("b", startsAfter=["a"])]
    assert errors(a_set(*bad, cliqueStartupType=startup)) == []


def test_a_long_chain_is_no_circle() -> None:
    chain = {str(index): [str(index + 1)] for index in range(5000)} | {"5000": list[str]()}
    assert find_circles(chain) == []
    assert find_circles(chain | {"5000": ["0"]}) == [list(chain)]


graphs = (
    st.integers(1, 7)
    .flatmap(
        lambda size: st.lists(
            st.lists(st.integers(0, size - 1).map(str), max_size=3), min_size=size, max_size=size
        )
    )
    .map(lambda rows: {str(index): row for index, row in enumerate(rows)})
)


@given(graphs)
def test_circles_are_those_that_reach_each_other(graph: dict[str, list[str]]) -> None:
    reach = {name: reachable(graph, name) for name in graph}
    together = {
        frozenset(other for other in graph if other in reach[name] and name in reach[other])
        for name in graph
    }
    expected = {names for names in together if len(names) > 1}
    assert {frozenset(circle) for circle in find_circles(graph)} == expected


def reachable(graph: dict[str, list[str]], start: str) -> set[str]:
    found = set(graph[start])
    while more := {target for name in found for target in graph[name]} - found:
        found |= more
    return found
