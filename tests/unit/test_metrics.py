"""Metrics are well named, bounded, and all of them documented."""

import re

import pytest

from grove_operator import metrics
from tools.metrics_doc import PAGE, PREFIX, Entry, entries, page

ENTRIES = entries()
UNITS = ("_seconds", "_keys", "_total", "_objects")
COUNTS = frozenset(
    {
        "gangs",
        "gangs_unhealthy",
        "leader",
        "min_available_breached",
        "replicas_available",
        "replicas_wanted",
        "sets_rejected",
        "updates",
    }
)
"""Gauges that count what they are named after."""
BOUNDED = frozenset(
    {"kind", "outcome", "reason", "verb", "code", "type", "phase", "webhook", "operation", "state"}
)


def test_the_page_is_what_the_code_says() -> None:
    assert PAGE.read_text().rstrip("\n") == page().rstrip("\n"), "run `make docs`"


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_a_metric_is_well_formed(entry: Entry) -> None:
    rest = entry.name.removeprefix(PREFIX)
    assert rest != entry.name
    assert rest.endswith(UNITS) or rest in COUNTS
    assert set(entry.labels) <= BOUNDED
    assert entry.text.endswith(".")
    assert entry.section


def test_every_metric_is_on_the_page_that_prometheus_reads() -> None:
    served = set(re.findall(r"(?m)^# TYPE (grove_\S+)", metrics.render().decode()))
    assert {name for name in served if not name.endswith("_created")} == {
        entry.name for entry in ENTRIES
    }


def test_an_unknown_metric_has_no_section() -> None:
    with pytest.raises(LookupError, match="belongs to 0 sections"):
        _ = Entry("grove_operator_sand", "gauge", (), "Sand.").section


def test_a_bug_is_counted_from_zero() -> None:
    """Prometheus sees a counter that begins at 1 as no increase."""
    assert (
        metrics.REGISTRY.get_sample_value(
            "grove_operator_errors_total", {"kind": "queue", "reason": "bug"}
        )
        is not None
    )
