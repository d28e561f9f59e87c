"""Whose a replica count is, and what is remembered of the template."""

import pytest

from grove_operator.desired.ownership import LastApplied, next_replicas, recall, remember

# live count, count in the template, count that we applied last: the new live count
COUNTS = {
    "nothing changed": (2, 2, 2, 2),
    "the template changed and nobody else scaled": (2, 5, 2, 5),
    "the template changed but somebody scaled": (3, 5, 2, 3),
    "somebody scaled to zero": (0, 5, 2, 0),
    "somebody scaled, the template did not change": (7, 2, 2, 7),
    "it is not known what we applied": (3, 5, None, 3),
    "somebody scaled to what the template now says": (5, 5, 2, 5),
    "the template went down": (4, 1, 4, 1),
}


@pytest.mark.parametrize(("live", "wanted", "last", "expected"), COUNTS.values(), ids=COUNTS)
def test_replicas(live: int, wanted: int, last: int | None, expected: int) -> None:
    assert next_replicas(live, wanted, LastApplied(last)) == expected


def test_what_is_remembered_is_recalled() -> None:
    text = remember(3, {"b": "1", "a": "2"}, {"note": "x"})
    assert text == '{"replicas":3,"labels":["a","b"],"annotations":["note"]}'
    assert recall(text) == LastApplied(3, ("a", "b"), ("note",))


def test_nothing_needless_is_remembered() -> None:
    assert remember(1, {}, {}) == '{"replicas":1}'


@pytest.mark.parametrize("text", [None, "", "{", "[]", '{"replicas":"x"}', "null"])
def test_a_broken_annotation_counts_as_absent(text: str | None) -> None:
    assert recall(text) == LastApplied()
