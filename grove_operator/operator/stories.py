"""Turns outcomes into Events that people can act on; one Event for many like things."""

from collections import Counter
from collections.abc import Sequence
from typing import Final

from grove_operator import metrics
from grove_operator.cluster.events import Recorder
from grove_operator.errors import ClusterError
from grove_operator.observed import Child, Kind
from grove_operator.plan.actions import Action, Create, Delete, Event, Plan, StatusPatch

_REASONS: Final = {
    ("Create", Kind.POD): ("PodCreateSuccessful", "created {} pods"),
    ("Delete", Kind.POD): ("PodDeleteSuccessful", "deleted {} pods"),
    ("Create", Kind.CLIQUE): ("PodCliqueCreateSuccessful", "created {} PodCliques"),
    ("Delete", Kind.CLIQUE): ("PodCliqueDeleteSuccessful", "deleted {} PodCliques"),
    ("Create", Kind.SCALING_GROUP): (
        "PodCliqueScalingGroupCreateSuccessful",
        "created {} PodCliqueScalingGroups",
    ),
    ("Delete", Kind.SCALING_GROUP): (
        "PodCliqueScalingGroupDeleteSuccessful",
        "deleted {} PodCliqueScalingGroups",
    ),
    ("Create", Kind.GANG): ("PodGangCreateOrUpdateSuccessful", "created {} PodGangs"),
    ("Delete", Kind.GANG): ("PodGangDeleteSuccessful", "deleted {} PodGangs"),
    ("Create", Kind.COMPUTE_DOMAIN): (
        "ComputeDomainCreateSuccessful",
        "created {} ComputeDomains",
    ),
    ("Delete", Kind.COMPUTE_DOMAIN): (
        "ComputeDomainDeleteSuccessful",
        "deleted {} ComputeDomains",
    ),
}
_RESTARTS: Final = {
    "PodCliqueSetReplicaDeleteSuccessful": Kind.SET,
    "PodCliqueScalingGroupReplicaDeleteSuccessful": Kind.SCALING_GROUP,
}
_FAILURES: Final = {
    Kind.POD: "Pod{}Failed",
    Kind.CLIQUE: "PodClique{}Failed",
    Kind.SCALING_GROUP: "PodCliqueScalingGroup{}Failed",
    Kind.GANG: "PodGang{}Failed",
}


def tell_activity(
    recorder: Recorder, record: Child | None, done: Counter[tuple[str, Kind]]
) -> None:
    """Say what was made and deleted since the last time, and forget it."""
    if record is not None:
        for what, number in sorted(done.items()):
            if what in _REASONS:
                reason, text = _REASONS[what]
                _record(recorder, record, reason, text.format(number))
    done.clear()


def tell_failure(
    recorder: Recorder, record: Child | None, action: Action | StatusPatch, error: ClusterError
) -> None:
    if record is None:
        return
    verb = "Create" if isinstance(action, Create) else "CreateOrUpdate"
    if isinstance(action, Delete):
        verb = "Delete"
    reason = _FAILURES.get(action.kind, f"{action.kind}{{}}Failed").format(verb)
    text = f"{action.kind} {action.name}: {error.message}"
    _record(recorder, record, reason, text, warning=True)


def tell_news(recorder: Recorder, namespace: str, news: Sequence[Event]) -> None:
    """Restarts are warnings; what an update replaces is none."""
    for event in news:
        recorder.record(namespace, event)
        if event.warning and event.reason in _RESTARTS:
            metrics.count_restart(_RESTARTS[event.reason])


def tell_rejection(recorder: Recorder, record: Child, problems: Sequence[str], plan: Plan) -> None:
    """Once for each spec: when the condition is written, too."""
    if plan.statuses:
        _record(recorder, record, "InvalidSpec", "; ".join(problems), warning=True)


def _record(
    recorder: Recorder, record: Child, reason: str, message: str, *, warning: bool = False
) -> None:
    meta = record.meta
    event = Event(Kind.SET, meta.name, meta.uid, reason, message, warning=warning)
    recorder.record(meta.namespace, event)
