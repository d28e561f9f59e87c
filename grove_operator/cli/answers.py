"""One sentence on how a set, or a part of one, is doing: the one that matters most.

Pure. What the operator found out stands in conditions (`docs/why.md`); this only chooses among them
and counts pods where none of them has anything to say.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from grove_operator.api import conditions, labels
from grove_operator.cli.findings import many
from grove_operator.cli.picture import (
    Body,
    Found,
    blocked,
    conditions_of,
    is_ready,
    labels_of,
    members,
)


class State(StrEnum):
    RUNS = "Runs"
    WAITS = "Waits"
    UPDATES = "Updates"
    BLOCKED = "Blocked"
    REFUSED = "Refused"
    UNSEEN = "Unseen"
    ENDS = "Ends"
    IDLE = "Idle"


_WORDS: Final = {
    State.RUNS: "runs",
    State.WAITS: "is not yet ready",
    State.UPDATES: "is being updated",
    State.BLOCKED: "is blocked",
    State.REFUSED: "cannot be carried out",
    State.UNSEEN: "has not been looked at by the operator",
    State.ENDS: "is being deleted",
    State.IDLE: "is scaled to zero",
}
TROUBLES: Final = frozenset({State.BLOCKED, State.REFUSED})
"""What does not go away by itself."""


@dataclass(frozen=True)
class Answer:
    """`reason` is that of a condition, where one tells why."""

    kind: str
    namespace: str
    name: str
    state: State
    message: str = ""
    reason: str = ""

    @property
    def sentence(self) -> str:
        reason = f" ({self.reason})" if self.reason else ""
        message = f": {self.message}" if self.message else ""
        return f"{self.kind} {self.name} {_WORDS[self.state]}{reason}{message}"


def answer(subject: Body, found: Found) -> Answer:
    """`subject` is the set of `found` or one of its gangs, groups, cliques or pods."""
    state, message, reason = _judge(subject, found)
    meta = subject["metadata"]
    return Answer(subject["kind"], meta["namespace"], meta["name"], state, message, reason)


def _judge(subject: Body, found: Found) -> tuple[State, str, str]:
    cliques = set(_cliques_of(subject, found))
    pods = list(_pods_of(subject, found, cliques))
    if "deletionTimestamp" in subject["metadata"]:
        return State.ENDS, f"{many(len(pods), 'pod')} left", ""
    if subject["kind"] == "PodCliqueSet" and (told := _told_of_set(subject, found)):
        return told
    if subject["kind"] == "Pod":
        wanted = 1
    else:
        wanted = sum(
            clique["spec"]["replicas"]
            for clique in found.cliques
            if clique["metadata"]["name"] in cliques
        )
    complete = sum(map(is_ready, pods)) >= wanted
    if why := _why(subject, found, cliques, complete=complete):
        return State.BLOCKED, why["message"], why["reason"]
    if not wanted:
        return State.IDLE, "", ""
    where = pods[0]["spec"].get("nodeName", "") if subject["kind"] == "Pod" else ""
    progress = f"node {where}" if where else _progress(wanted, pods)
    return (State.RUNS if complete else State.WAITS), progress, ""


def _told_of_set(subject: Body, found: Found) -> tuple[State, str, str] | None:
    """What is true of a set as a whole, before its gangs are looked at."""
    generation = subject["metadata"].get("generation", 0)
    status = subject.get("status") or {}
    accepted = conditions.find(conditions_of(subject), conditions.SPEC_ACCEPTED) or {}
    if status.get("observedGeneration", 0) < generation:
        message = f"generation {generation} is new; if this lasts, see whether the operator runs"
        return State.UNSEEN, message, ""
    if accepted.get("status") == "False":
        return State.REFUSED, accepted["message"], accepted["reason"]
    updating = conditions.find(conditions_of(subject), conditions.UPDATING) or {}
    if updating.get("status") == "True" and not any(map(blocked, [subject, *found.gangs])):
        return State.UPDATES, updating["message"], ""
    return None


def _why(
    subject: Body, found: Found, cliques: Collection[str], *, complete: bool
) -> conditions.Condition:
    """The condition that says why the subject is blocked, with the gang's name where it is not it.

    A part that is complete is not blocked, whatever its gang waits for.
    """
    if own := blocked(subject):
        return own
    if complete:
        return {}
    for gang in _gangs_of(subject, found, cliques):
        if why := blocked(gang):
            return why | {"message": f"{gang['metadata']['name']}: {why['message']}"}
    return {}


def _gangs_of(subject: Body, found: Found, cliques: Collection[str]) -> Iterable[Body]:
    if subject["kind"] == "PodCliqueSet":
        return found.gangs
    if subject["kind"] == "Pod":
        name = labels_of(subject).get(labels.PODGANG)
        return [gang for gang in found.gangs if gang["metadata"]["name"] == name]
    return [gang for gang in found.gangs if not set(members(gang)).isdisjoint(cliques)]


def _cliques_of(subject: Body, found: Found) -> Iterable[str]:
    name: str = subject["metadata"]["name"]
    match subject["kind"]:
        case "PodGang":
            return members(subject)
        case "PodClique":
            return [name]
        case "PodCliqueScalingGroup":
            key = labels.SCALING_GROUP
        case _:
            key = labels.PART_OF
    return (c["metadata"]["name"] for c in found.cliques if labels_of(c).get(key) == name)


def _pods_of(subject: Body, found: Found, cliques: Collection[str]) -> Iterable[Body]:
    if subject["kind"] == "Pod":
        return [subject]
    return (pod for pod in found.pods if labels_of(pod).get(labels.PODCLIQUE) in cliques)


def _progress(wanted: int, pods: Collection[Body]) -> str:
    ready = sum(map(is_ready, pods))
    placed = sum(bool(pod["spec"].get("nodeName")) for pod in pods)
    parts = [f"{ready} of {many(wanted, 'pod')} ready"]
    for count, what in (
        (placed - ready, "starting"),
        (len(pods) - placed, "without a node"),
        (wanted - len(pods), "not made"),
    ):
        if count > 0:
            parts.append(f"{count} {what}")
    return ", ".join(parts)
