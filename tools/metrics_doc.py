"""Writes docs/metrics.md from the metrics themselves: `python -m tools.metrics_doc`.

The names, types, labels and texts are those of grove_operator/metrics.py; here stands only which
belong together. A test fails when the page differs, or when a metric has no section.
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from prometheus_client.metrics import MetricWrapperBase

from grove_operator import metrics

PAGE: Final = Path(__file__).resolve().parents[1] / "docs" / "metrics.md"

SECTIONS: Final = (
    (
        "Gangs, replicas, updates and sets",
        "operator",
        ("gang", "replicas_", "min_available_", "sets_", "update"),
    ),
    ("Reconciling", "operator", ("reconcile_", "errors_", "queue_")),
    ("Caches", "operator", ("informer_",)),
    ("Leading", "operator", ("leader",)),
    ("Requests to the API server", "both", ("api_",)),
    ("Admission", "webhook", ("admission_", "webhook_")),
)
"""Heading, the process that feeds them, and how their names begin after the common prefix."""

PREFIX: Final = "grove_operator_"

HEAD: Final = """\
<!-- Written by `make docs` from grove_operator/metrics.py. -->
# Metrics

Both processes serve `/metrics` in the Prometheus text format: the operator on
`server.metrics.port`, the webhook on a port of its own. Labels hold kinds, verbs, codes and
outcomes, never the name of an object, so the number of series does not grow with the number of
sets. Both processes list all metrics; the headings say which one feeds them. Besides these there
are the usual `process_` and `python_info` metrics.

Alerts on them are in `charts/grove-operator/files/alerts.yaml`, each with a
[runbook](runbooks/README.md); the dashboard is `charts/grove-operator/files/dashboard.json`.

![The dashboard's panels](images/dashboard.svg)

The panels as a Prometheus answered their queries in `tests/integration/test_prometheus.py`: a set
of a hundred pods comes up, other sets have trouble. Drawn by `tools/dashboard`, not by Grafana.
"""


@dataclass(frozen=True)
class Entry:
    """One metric as users query it."""

    name: str
    kind: str
    labels: tuple[str, ...]
    text: str

    @property
    def section(self) -> str:
        rest = self.name.removeprefix(PREFIX)
        found = [heading for heading, _, starts in SECTIONS if rest.startswith(starts)]
        if len(found) != 1:
            raise LookupError(f"{self.name} belongs to {len(found)} sections, not to one")
        return found[0]


def entries() -> list[Entry]:
    """Every metric of ours, by name."""
    found = [_entry(item) for item in vars(metrics).values() if isinstance(item, MetricWrapperBase)]
    return sorted(found, key=lambda entry: entry.name)


def _entry(metric: MetricWrapperBase) -> Entry:
    (described,) = metric.describe()
    name = f"{described.name}_total" if described.type == "counter" else described.name
    labels = tuple(metric._labelnames)  # noqa: SLF001 - there is no public way to ask
    return Entry(name, described.type, labels, described.documentation)


def page() -> str:
    """The whole text."""
    return "\n".join((HEAD, *_sections()))


def _sections() -> Iterator[str]:
    known = entries()
    for heading, process, _ in SECTIONS:
        fed = "both processes" if process == "both" else f"the {process}"
        yield f"## {heading}\n\nFed by {fed}.\n"
        yield "| metric | type | labels | meaning |\n|---|---|---|---|"
        for entry in known:
            if entry.section == heading:
                labels = ", ".join(f"`{label}`" for label in entry.labels)
                yield f"| `{entry.name}` | {entry.kind} | {labels} | {entry.text} |"
        yield ""


def main() -> int:
    PAGE.write_text(page().rstrip("\n") + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
