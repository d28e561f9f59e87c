"""When a pod is held back from the scheduler, and when it is let go."""

from collections.abc import Collection

from grove_operator.api import labels
from grove_operator.desired.expansion import CliqueSlot
from grove_operator.observed import Pod


def needs_gate(slot: CliqueSlot, *, native_gang: bool, base_scheduled: bool) -> bool:
    """Whether a new pod starts with the gate.

    A scaled gang waits for its base gang. A base gang waits for its PodGang, unless the scheduler
    itself holds an incomplete gang.
    """
    if slot.base_gang is not None and not base_scheduled:
        return True
    return not native_gang


def may_ungate(
    pod: Pod, slot: CliqueSlot, listed: Collection[str], *, base_scheduled: bool
) -> bool:
    """Whether the gate comes off: the PodGang lists the pod, and any base gang is placed."""
    if labels.GATE not in pod.gates or pod.meta.deleting or pod.meta.name not in listed:
        return False
    return slot.base_gang is None or base_scheduled
