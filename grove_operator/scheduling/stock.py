"""The stock scheduler: its groups follow live counts, so `plan/gangs.py` makes them of `native.py`.

What is the same for all schedulers is answered here: what a pod carries, what is reported back,
what may be expected.
"""

from dataclasses import dataclass, replace
from typing import Final

from grove_operator.desired.blueprint import SetBlueprint
from grove_operator.desired.expansion import CliqueSlot
from grove_operator.observed import ReplicaSnapshot
from grove_operator.scheduling.backend import NOTHING, Groupless, Preparation, Promise
from grove_operator.scheduling.native import Capabilities, pod_group_of, verdict
from grove_operator.scheduling.workloads import undescribed

_NATIVE: Final = Promise(True, "NativeGangScheduling", "each gang is placed all-or-nothing")
_UNDESCRIBED: Final = (
    "of its roles are not described in the Workload, whose lists hold eight, which changes nothing "
    "for the pods"
)
_WEAKER: Final = Promise(
    False,
    "SumOfMinimums",
    "the API server serves no CompositePodGroups, so a gang starts when as many pods as the sum "
    "of its minimums can be placed, whichever cliques they belong to",
)
_SHARING: Final = Promise(
    False,
    "SumOfMinimums",
    "PodCliques of a gang share resource claims, which the scheduler can only allocate to pods of "
    "one PodGroup, so a gang starts when as many pods as the sum of its minimums can be placed, "
    "whichever cliques they belong to",
)
_NONE: Final = Promise(
    False,
    "GangSchedulingUnavailable",
    "the API server serves no PodGroups (scheduling.k8s.io), so the pods of a gang may be placed "
    "one by one; turn on the feature gate GenericWorkload or use another scheduler",
)


@dataclass(frozen=True, slots=True)
class Stock(Groupless):
    """`default-scheduler`, with or without gangs."""

    capabilities: Capabilities

    def prepare_pod(self, slot: CliqueSlot) -> Preparation:
        if not self.capabilities.pod_groups:
            return NOTHING
        return Preparation(spec={"schedulingGroup": {"podGroupName": self.group_of(slot)}})

    def group_of(self, slot: CliqueSlot) -> str:
        return pod_group_of(slot, self.capabilities)

    def refusals(self, seen: ReplicaSnapshot) -> dict[str, str]:
        found = {name: verdict(group.status) for name, group in seen.pod_groups.items()}
        return {name: text for name, text in found.items() if text}

    def promise(self, blueprint: SetBlueprint) -> Promise:
        if self.capabilities.composite_groups:
            if left_out := undescribed(blueprint, self.capabilities):
                message = f"{_NATIVE.message}; {left_out} {_UNDESCRIBED}"
                return replace(_NATIVE, message=message)
            return _NATIVE
        if self.capabilities.pod_groups:
            return _SHARING if blueprint.shares_between_cliques else _WEAKER
        return _NONE
