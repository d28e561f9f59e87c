"""Schedulers that read PodGangs and pods as they are: `lpx-scheduler`, and any that is not enabled.

Their pods keep the scheduler's name and wait, as all, until their PodGang lists them.
"""

from dataclasses import dataclass

from grove_operator.admission.schedulers import LPX
from grove_operator.desired.blueprint import SetBlueprint
from grove_operator.desired.expansion import CliqueSlot
from grove_operator.observed import ReplicaSnapshot
from grove_operator.scheduling.backend import NOTHING, Groupless, Preparation, Promise
from grove_operator.scheduling.profiles import Profiles


@dataclass(frozen=True, slots=True)
class Passive(Groupless):
    """A scheduler for which nothing is made."""

    profiles: Profiles

    def prepare_pod(self, slot: CliqueSlot) -> Preparation:
        del slot
        return NOTHING

    def group_of(self, slot: CliqueSlot) -> str:
        return slot.gang

    def refusals(self, seen: ReplicaSnapshot) -> dict[str, str]:
        del seen
        return {}

    def promise(self, blueprint: SetBlueprint) -> Promise:
        name = blueprint.scheduler
        if name == LPX and LPX in self.profiles.enabled:
            text = f"{name} reads PodGangs itself; whether it places them all-or-nothing is its own"
            return Promise(None, "LeftToScheduler", text)
        enabled = ", ".join(sorted(self.profiles.enabled)) or "none but the default one"
        text = (
            f"{name} is not among the operator's scheduler profiles, so nothing tells it of gangs; "
            f"enabled are: {enabled}"
        )
        return Promise(False, "SchedulerNotEnabled", text)
