"""What every scheduler backend answers: the one interface that planning knows.

A backend says what a pod must carry, which object of the scheduler's own stands for a gang, what
the scheduler reports back, and what a user may expect of it. Validation of manifests is a rule of
admission and lives in `admission/schedulers.py`. Adding a scheduler: one class here beside the
others, its line in `backends.py`, its rules in admission.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from grove_operator.api import conditions as c
from grove_operator.desired.blueprint import SetBlueprint
from grove_operator.desired.expansion import CliqueSlot
from grove_operator.observed import Child, Kind, ReplicaSnapshot

Body = dict[str, Any]

UNAVAILABLE = "SchedulerUnavailable"


@dataclass(frozen=True, slots=True)
class Preparation:
    """What a scheduler asks for in a pod, or in a PodGang, which has no spec of that sort."""

    spec: Mapping[str, Any] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)


NOTHING = Preparation()


@dataclass(frozen=True, slots=True)
class Gang:
    """A PodGang as it is written, and the set that it belongs to."""

    blueprint: SetBlueprint
    name: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    spec: Mapping[str, Any]

    @classmethod
    def wanted(cls, blueprint: SetBlueprint, body: Body) -> "Gang":
        meta = body["metadata"]
        return cls(
            blueprint, meta["name"], meta["labels"], meta.get("annotations", {}), body["spec"]
        )

    @classmethod
    def stored(cls, blueprint: SetBlueprint, child: Child) -> "Gang":
        meta = child.meta
        spec = child.body.get("spec", {})
        return cls(blueprint, meta.name, meta.labels, meta.annotations, spec)

    def minimums(self) -> dict[str, int]:
        """Pods of each clique that must be placed together; cliques without any are left out.

        A clique scaled below its minimum lowers it: nothing could ever be placed otherwise.
        """
        return {
            group["name"]: max(1, min(group["minReplicas"], len(group["podReferences"])))
            for group in self.spec.get("podgroups") or ()
            if group.get("podReferences")
        }


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a gang cannot be told to its scheduler; the reason is that of an event."""

    reason: str
    text: str


@dataclass(frozen=True, slots=True)
class Promise:
    """What a user may expect of gangs; None is for others to say."""

    holds: bool | None
    reason: str
    message: str

    def as_problem(self) -> Problem:
        return Problem(self.reason, self.message)

    def condition(self) -> c.Condition:
        return c.condition(
            c.GANG_GUARANTEE, status=self.holds, reason=self.reason, message=self.message
        )


class Backend(Protocol):
    """One scheduler, for one set in one cluster."""

    @property
    def group_kind(self) -> Kind | None:
        """The kind of the object that we make of each PodGang.

        None if there is none, or if they are groups that planning makes of live counts.
        """

    def prepare_pod(self, slot: CliqueSlot) -> Preparation: ...

    def prepare_gang(self, blueprint: SetBlueprint) -> Preparation: ...

    def group(self, gang: Gang) -> Body | None:
        """The scheduler's own object; None while it cannot be made, or nothing asks for it."""

    def mend(self, existing: Child, body: Body) -> Body:
        """The merge patch that makes an object what `group` gives; empty if it is that."""

    def problem(self, gang: Gang) -> Problem | None:
        """Why the gang cannot be told to the scheduler; None if it can."""

    def group_of(self, slot: CliqueSlot) -> str:
        """The name under which `refusals` speak of the clique's pods."""

    def refusals(self, seen: ReplicaSnapshot) -> dict[str, str]:
        """By group: why the scheduler has not placed it, in its own words."""

    def promise(self, blueprint: SetBlueprint) -> Promise: ...


def said(conditions: Any, type_: str) -> str:
    """The words of the first condition of that type that holds."""
    for condition in conditions or ():
        if condition.get("type") == type_ and condition.get("status", "True") == "True":
            return _words(condition)
    return ""


def _words(condition: Mapping[str, Any]) -> str:
    if condition.get("message"):
        return str(condition["message"])
    reasons = condition.get("reasons") or ()
    texts = (str(item.get("message") or item.get("reason") or "") for item in reasons)
    return "; ".join(filter(None, texts)) or str(condition.get("reason") or "")


class Groupless:
    """What a backend says that makes no groups beside PodGangs."""

    group_kind: Kind | None = None

    def prepare_gang(self, blueprint: SetBlueprint) -> Preparation:
        del blueprint
        return NOTHING

    def group(self, gang: Gang) -> Body | None:
        del gang
        return None

    def mend(self, existing: Child, body: Body) -> Body:
        del existing, body
        return {}

    def problem(self, gang: Gang) -> Problem | None:
        del gang
        return None
