"""Quantities, in both directions."""

import pytest

from grove_operator.api.quantities import add, amount, readable


@pytest.mark.parametrize(
    ("resource", "text", "number"),
    [
        ("cpu", "1", 1000),
        ("cpu", 2, 2000),
        ("cpu", "250m", 250),
        ("cpu", "0.1", 100),
        ("cpu", "100u", 1),
        ("memory", "1Gi", 1024**3),
        ("memory", "128974848", 128974848),
        ("memory", "129e6", 129_000_000),
        ("memory", "123Mi", 123 * 1024**2),
        ("memory", "1.5Ki", 1536),
        ("memory", "2k", 2000),
        ("pods", "110", 110),
        ("example.com/gpu", "8", 8),
        ("example.com/gpu", "many", 0),
        ("example.com/gpu", "", 0),
        ("example.com/gpu", "1..2", 0),
        ("example.com/gpu", "1K", 0),
    ],
)
def test_amounts(resource: str, text: str | int, number: int) -> None:
    assert amount(resource, text) == number


@pytest.mark.parametrize(
    ("resource", "number", "text"),
    [
        ("cpu", 1500, "1.5"),
        ("cpu", 250, "0.25"),
        ("memory", 3 * 1024**3, "3Gi"),
        ("memory", 1536 * 1024, "1.5Mi"),
        ("memory", 100, "100"),
        ("example.com/gpu", 8, "8"),
    ],
)
def test_for_people(resource: str, number: int, text: str) -> None:
    assert readable(resource, number) == text


def test_sums() -> None:
    assert add([{"cpu": 1, "pods": 1}, {"cpu": 2}]) == {"cpu": 3, "pods": 1}
    assert add([]) == {}
