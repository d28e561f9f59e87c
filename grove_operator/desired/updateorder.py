"""The annotation that holds the order in which an update goes through what is one owner's.

On a PodClique it names pods, and comes with the new template; on a scaling group it has indices of
replicas. So no step waits for a write of its own. Compact JSON: `template` is the hash that the
update leads to (of the PodClique's pod template, or the set's generation hash), `since` its start.
"""

from dataclasses import asdict, dataclass

import msgspec

from grove_operator.desired.notes import read_note


@dataclass(frozen=True, slots=True)
class UpdateOrder:
    template: str = ""
    since: str = ""
    pods: tuple[str, ...] = ()
    replicas: tuple[int, ...] = ()

    def as_text(self) -> str:
        said = {key: value for key, value in asdict(self).items() if value}
        return msgspec.json.encode(said).decode()


def read_order(text: str | None) -> UpdateOrder:
    """What the annotation says; nothing if it is missing, or if somebody broke it."""
    return read_note(text, UpdateOrder)
