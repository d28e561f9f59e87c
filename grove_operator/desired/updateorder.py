"""The annotation that holds the order in which an update replaces the pods of a PodClique.

It comes with the PodClique's new template, so that no step waits for a write of its own. Compact
JSON: `template` is the hash of the pod template that the update leads to, `since` its start, `pods`
are names.
"""

from dataclasses import dataclass

import msgspec


@dataclass(frozen=True, slots=True)
class UpdateOrder:
    template: str = ""
    since: str = ""
    pods: tuple[str, ...] = ()

    def as_text(self) -> str:
        return msgspec.json.encode(self).decode()


NO_ORDER = UpdateOrder()


def read_order(text: str | None) -> UpdateOrder:
    """What the annotation says; nothing if it is missing, or if somebody broke it."""
    if not text:
        return NO_ORDER
    try:
        return msgspec.json.decode(text, type=UpdateOrder)
    except msgspec.DecodeError:
        return NO_ORDER
