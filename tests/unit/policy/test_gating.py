"""When a pod is held back from the scheduler, and when it is let go."""

import pytest

from grove_operator.api import labels
from grove_operator.observed import Pod
from grove_operator.policy.gating import may_ungate, needs_gate
from tests.support.builders import a_waiting_pod, the_crew

BASE, SCALED = the_crew().slot("tide-0-gate"), the_crew().slot("tide-0-crew-2-oar")

# gang, does the scheduler hold gangs, is the base gang placed: does a new pod get the gate
GATES = {
    "a base gang waits for its PodGang": ("base", False, True, True),
    "a base gang that the scheduler holds does not": ("base", True, True, False),
    "a scaled gang waits for its base gang": ("scaled", True, False, True),
    "a scaled gang whose base gang runs does not": ("scaled", True, True, False),
    "a scaled gang waits for its PodGang": ("scaled", False, True, True),
}


@pytest.mark.parametrize(("gang", "native", "placed", "expected"), GATES.values(), ids=GATES)
def test_new_pods(gang: str, *, native: bool, placed: bool, expected: bool) -> None:
    slot = BASE if gang == "base" else SCALED
    assert needs_gate(slot, native_gang=native, base_scheduled=placed) is expected


def gated(**fields: object) -> Pod:
    return a_waiting_pod(0, name="p", gates=(labels.GATE,), **fields)


# pod, gang, does the PodGang list it, is the base gang placed: does the gate come off
RELEASES = {
    "listed": (gated(), "base", True, True, True),
    "not listed yet": (gated(), "base", False, True, False),
    "no gate of ours": (a_waiting_pod(0, name="p", gates=("other",)), "base", True, True, False),
    "being deleted": (gated(deleting=True), "base", True, True, False),
    "the base gang is not placed": (gated(), "scaled", True, False, False),
    "the base gang is placed": (gated(), "scaled", True, True, True),
    "a base gang waits for none": (gated(), "base", True, False, True),
}


@pytest.mark.parametrize(
    ("pod", "gang", "listed", "placed", "expected"), RELEASES.values(), ids=RELEASES
)
def test_release(pod: Pod, gang: str, *, listed: bool, placed: bool, expected: bool) -> None:
    slot = BASE if gang == "base" else SCALED
    listing = {"p"} if listed else set()
    assert may_ungate(pod, slot, listing, base_scheduled=placed) is expected
