"""The annotation that holds the order in which an update replaces the pods of a PodClique.

It comes with the PodClique's new template, so that no step waits for a write of its own. Compact
JSON: `template` is the hash of the pod template that the update leads to, `since` its start, `pods`
are names.
"""

from dataclasses import dataclass

import msgspec

from grove_operator.desired.notes import read_note


@dataclass(frozen=True, slots=True)
class UpdateOrder:
    template: str = ""
    since: str = ""
    pods: tuple[str, ...] = ()

    def as_text(self) -> str:
        return msgspec.json.encode(self).decode()


def read_order(text: str | None) -> UpdateOrder:
    """What the annotation says; nothing if it is missing, or if somebody broke it."""
    return read_note(text, UpdateOrder)
