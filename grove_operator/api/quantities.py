"""Kubernetes quantities as whole numbers, to be added and compared."""

import re
from collections.abc import Iterable, Mapping
from decimal import ROUND_CEILING, Decimal, InvalidOperation
from functools import lru_cache
from typing import Any, Final

CPU: Final = "cpu"
MEMORY: Final = "memory"
PODS: Final = "pods"

_FORM: Final = re.compile(r"([+-]?[0-9.]+(?:[eE][+-]?[0-9]+)?)(n|u|m|k|[KMGTPE]i?)?")
_SCALE: Final[Mapping[str, Decimal]] = {
    "": Decimal(1),
    "n": Decimal("1e-9"),
    "u": Decimal("1e-6"),
    "m": Decimal("1e-3"),
    "k": Decimal(10**3),
} | {
    unit: Decimal(base**power)
    for power, letter in enumerate("KMGTPE", start=1)
    for unit, base in ((letter, 1000), (f"{letter}i", 1024))
    if unit != "K"
}


@lru_cache(maxsize=4096)
def amount(resource: str, quantity: str | float) -> int:
    """CPUs in thousandths, everything else in whole units, rounded up; 0 if it cannot be read."""
    found = _FORM.fullmatch(str(quantity).strip())
    try:
        number = Decimal(found[1]) * _SCALE[found[2] or ""] if found else Decimal(0)
    except (InvalidOperation, KeyError):
        return 0
    if resource == CPU:
        number *= 1000
    return int(number.to_integral_value(rounding=ROUND_CEILING))


def amounts(quantities: Mapping[str, Any]) -> dict[str, int]:
    """The amount of each resource of a list such as a container's requests."""
    return {name: amount(name, quantity) for name, quantity in quantities.items()}


def add(lists: Iterable[Mapping[str, int]]) -> dict[str, int]:
    """The sum of several lists."""
    result: dict[str, int] = {}
    for item in lists:
        for name, number in item.items():
            result[name] = result.get(name, 0) + number
    return result


def readable(resource: str, number: int) -> str:
    """An amount as people write it."""
    if resource == CPU:
        return f"{number / 1000:g}"
    if resource == MEMORY or resource.startswith(("hugepages-", "ephemeral-storage")):
        for unit, size in (("Gi", 1024**3), ("Mi", 1024**2), ("Ki", 1024)):
            if number >= size:
                return f"{number / size:.4g}{unit}"
    return str(number)
