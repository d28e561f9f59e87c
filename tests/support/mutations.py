"""Bad manifests from good ones: parts replaced, removed, repeated, added, renamed.

    @given(mutated(a_manifest))
    def test_it(body): ...

A mutation picks a place by number, so that hypothesis can shrink towards few mutations and simple
junk. The result is JSON, though rarely a sensible PodCliqueSet.
"""

import copy
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

JUNK: tuple[Any, ...] = (
    None,
    True,
    0,
    1,
    -1,
    46,
    2**31 - 1,
    2**31,
    2**63,
    10**40,
    0.5,
    1e308,
    "",
    " ",
    "a",
    "A.b",
    "0",
    "-x-",
    "x" * 64,
    "x" * 300,
    "ключ-🙂",
    "nul\u0000byte",
    "..",
    "5m",
    "1d",
    "CliqueStartupTypeExplicit",
    "kai-scheduler",
    [],
    [None],
    [[]],
    ["prefill", "prefill"],
    {},
    {"name": "a"},
    {"": None},
    [{"name": "a"}, {"name": "a"}],
)


@dataclass(frozen=True)
class Mutation:
    """`place` and `form` are taken modulo what there is."""

    place: int
    form: int
    junk: Any


def mutated(body: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    """One to five mutations of `body`."""
    values = st.one_of(
        st.sampled_from(JUNK),
        st.integers(),
        st.text(max_size=20),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(max_size=5),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(st.text(max_size=5), inner, max_size=3)
            ),
            max_leaves=8,
        ),
    )
    one = st.builds(Mutation, st.integers(0, 10**6), st.integers(0, 5), values)
    return st.lists(one, min_size=1, max_size=5).map(lambda changes: mutate(body, changes))


def mutate(body: dict[str, Any], changes: list[Mutation]) -> dict[str, Any]:
    """Apply all changes to a copy. The kind stays, or nobody would look at the rest."""
    result = copy.deepcopy(body)
    for change in changes:
        places = [place for place in _places(result) if place[1] not in {"kind", "apiVersion"}]
        if places:
            _change(*places[change.place % len(places)], change)
    return result


def _places(value: Any) -> list[tuple[Any, Any]]:
    """Every container with a key or index in it."""
    found: list[tuple[Any, Any]] = []
    if isinstance(value, dict):
        for key, child in value.items():
            found.append((value, key))
            found.extend(_places(child))
    elif isinstance(value, list):
        for index, child in enumerate(value):
            found.append((value, index))
            found.extend(_places(child))
    return found


def _change(holder: Any, key: Any, change: Mutation) -> None:
    junk = copy.deepcopy(change.junk)
    match change.form:
        case 0 | 1:
            holder[key] = junk
        case 2:
            del holder[key]
        case 3 if isinstance(holder, list):
            holder.insert(key, copy.deepcopy(holder[key]))
        case 3:
            holder[f"{key}x"] = holder[key]
        case 4 if isinstance(holder[key], list):
            holder[key].append(junk)
        case 4 if isinstance(holder[key], dict):
            holder[key][str(junk)[:20]] = junk
        case _:
            holder[key] = [holder[key]]
