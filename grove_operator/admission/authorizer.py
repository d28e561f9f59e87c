"""Who may touch what the operator has made.

Owns the decision. Refuses to look anything up: `parent_of` says which PodCliqueSet decides, or that
none needs to be asked; `decide` takes the answer. What belongs to no set is nobody's to protect.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from grove_operator.api.labels import PART_OF, UNPROTECTED

_WRITES: Final = frozenset({"CREATE", "UPDATE"})
_FORBIDDEN: Final = 403
_INTERNAL: Final = 500


@dataclass(frozen=True, slots=True)
class Attempt:
    """What somebody tries. `group` and `resource` are as in the request: `""` and `pods`.

    `labels` are those of the object as it is stored, so that taking a label off opens no door;
    only a creation has nothing but the new ones.
    """

    operation: str
    user: str
    group: str
    resource: str
    namespace: str
    name: str
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Trust:
    """User names that may do everything: the operator's own, and the exempt ones."""

    operator: str
    exempt: frozenset[str] = frozenset()

    def covers(self, user: str) -> bool:
        return user == self.operator or user in self.exempt


@dataclass(frozen=True, slots=True)
class Parent:
    """The set that an object belongs to; `annotations` is None if there is no such set.

    `problem` says why it is not known.
    """

    annotations: Mapping[str, str] | None = None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Decision:
    """`message` and `code` are for a refusal."""

    allowed: bool
    message: str = ""
    code: int = 200
    warnings: tuple[str, ...] = ()


_ALLOWED: Final = Decision(allowed=True)


def parent_of(attempt: Attempt, trust: Trust) -> str | Decision:
    """The name of the set that has to be looked up, in the object's namespace, or the decision."""
    if attempt.operation == "CONNECT":
        return _ALLOWED
    parent = attempt.labels.get(PART_OF)
    if parent is None:
        return Decision(allowed=True, warnings=(f"missing required label {PART_OF}",))
    if trust.covers(attempt.user) or _is_pod_deletion(attempt):
        return _ALLOWED
    return parent


def decide(attempt: Attempt, trust: Trust, parent: Parent) -> Decision:
    """Complete by itself: it may be asked without `parent_of`."""
    first = parent_of(attempt, trust)
    if isinstance(first, Decision):
        return first
    if parent.problem:
        return Decision(allowed=False, message=parent.problem, code=_INTERNAL)
    if parent.annotations is None:
        return Decision(allowed=True, warnings=(f"parent PodCliqueSet {first} not found",))
    if parent.annotations.get(UNPROTECTED) == "true":
        return _ALLOWED
    return Decision(allowed=False, message=_refusal(attempt), code=_FORBIDDEN)


def _is_pod_deletion(attempt: Attempt) -> bool:
    """Evictions, drains and people restart pods; the operator makes new ones."""
    return (attempt.operation, attempt.group, attempt.resource) == ("DELETE", "", "pods")


def _refusal(attempt: Attempt) -> str:
    where = f"{attempt.namespace}/{attempt.name}"
    if attempt.operation in _WRITES:
        return f"admission denied, creation/updation of resource: {where} is not allowed"
    if attempt.operation == "DELETE":
        return f"admission denied, deletion of resource: {where} is not allowed"
    return f"admission denied, {attempt.operation} of resource: {where} is not allowed"
