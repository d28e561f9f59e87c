"""The annotation that remembers what we last took from the template.

With it a live replica count is told from ours, and a label that has left the template from one
that a user put there. Compact JSON: `replicas`, and `labels` and `annotations` as key lists.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from grove_operator.desired.notes import read_note


@dataclass(frozen=True, slots=True)
class LastApplied:
    replicas: int | None = None
    labels: tuple[str, ...] = ()
    annotations: tuple[str, ...] = ()

    def as_text(self) -> str:
        value: dict[str, Any] = {"replicas": self.replicas}
        if self.labels:
            value["labels"] = self.labels
        if self.annotations:
            value["annotations"] = self.annotations
        return msgspec.json.encode(value).decode()


def remember(replicas: int, labels: Mapping[str, str], annotations: Mapping[str, str]) -> str:
    """The annotation's text for what is being applied now."""
    return LastApplied(replicas, tuple(sorted(labels)), tuple(sorted(annotations))).as_text()


def recall(text: str | None) -> LastApplied:
    """Read the annotation; one that a user has broken counts as absent."""
    return read_note(text, LastApplied)


def next_replicas(live: int, wanted: int, last: LastApplied) -> int:
    """The count for a live object: the template's only if nobody else has taken the count over.

    `wanted` reaches the object when the template changed and `live` is still what we applied last.
    Otherwise an autoscaler, a planner or a user owns it.
    """
    if last.replicas is not None and wanted != last.replicas and live == last.replicas:
        return wanted
    return live
