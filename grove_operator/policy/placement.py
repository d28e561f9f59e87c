"""Which pods of a PodClique stay, which are made, which go."""

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from grove_operator.api import labels, names
from grove_operator.observed import Departed, Pod

NOBODY: Final = Departed("", "")
_PHASE_ORDER = {"Pending": 0, "Unknown": 1, "Running": 2}


@dataclass(frozen=True, slots=True)
class NewPod:
    index: int
    name: str
    replaces: str = ""
    """Name of the pod whose index it takes over, if that is known."""


@dataclass(frozen=True, slots=True)
class Placement:
    """The decision for one PodClique. `keep` and `create` together make its replicas."""

    keep: tuple[Pod, ...]
    create: tuple[NewPod, ...]
    delete: tuple[Pod, ...]

    @property
    def names(self) -> list[str]:
        """Pods that the clique's gang lists."""
        return sorted([pod.meta.name for pod in self.keep] + [pod.name for pod in self.create])


@dataclass(frozen=True, slots=True)
class CliqueState:
    """What the decision depends on. `departed` maps an index to its last pod, which is gone."""

    name: str
    uid: str
    replicas: int
    template_hash: str
    pods: Sequence[Pod]
    departed: Mapping[int, Departed]
    removed: Container[str] = ()
    """UIDs of pods that something else has decided against; each is replaced at once."""


def pod_index(pod: Pod) -> int | None:
    """The index by its label, which a pod keeps for life; None if a user has spoilt it."""
    text = pod.meta.labels.get(labels.POD_INDEX, "")
    return int(text) if text.isascii() and text.isdigit() else None


def place(state: CliqueState) -> Placement:
    """Make the clique exactly `replicas` pods with an index each, lowest free ones first.

    A pod that is being deleted frees its index at once. Two pods with one index cannot stay, nor
    can a pod without one.
    """
    active = [pod for pod in state.pods if not pod.meta.deleting]
    leaving = [pod for pod in active if pod.meta.uid in state.removed]
    keep, delete = _unique(pod for pod in active if pod.meta.uid not in state.removed)
    surplus = len(keep) - state.replicas
    if surplus > 0:
        victims = sorted(keep, key=lambda pod: _victim_order(pod, state.template_hash))[:surplus]
        delete += victims
        gone = {pod.meta.uid for pod in victims}
        keep = [pod for pod in keep if pod.meta.uid not in gone]
    used = {pod_index(pod) for pod in keep}
    create = _new_pods(state, used, state.replicas - len(keep)) if surplus < 0 else ()
    return Placement(tuple(keep), create, (*leaving, *delete))


def _unique(pods: Iterable[Pod]) -> tuple[list[Pod], list[Pod]]:
    """Of pods with the same index the one that is furthest on stays, then the oldest."""
    keep: dict[int, Pod] = {}
    delete: list[Pod] = []
    for pod in sorted(pods, key=lambda pod: (not pod.ready, not pod.scheduled, _age(pod))):
        index = pod_index(pod)
        if index is None or index in keep:
            delete.append(pod)
        else:
            keep[index] = pod
    return list(keep.values()), delete


def _age(pod: Pod) -> tuple[str, str]:
    return pod.meta.created, pod.meta.name


def _victim_order(pod: Pod, template_hash: str) -> tuple[object, ...]:
    """Delete first: unplaced, then least advanced, not ready, outdated, newest."""
    newest_first = tuple(-ord(char) for char in pod.meta.created)
    return (
        bool(pod.node),
        _PHASE_ORDER.get(pod.phase, 2),
        pod.ready,
        pod.meta.labels.get(labels.TEMPLATE_HASH) == template_hash,
        newest_first,
        -(pod_index(pod) or 0),
    )


def _new_pods(state: CliqueState, used: set[int | None], count: int) -> tuple[NewPod, ...]:
    taken = {pod.meta.name for pod in state.pods}
    last: dict[int, Departed] = dict(state.departed)
    for pod in sorted(state.pods, key=_age):
        index = pod_index(pod)
        if index is not None and (pod.meta.deleting or pod.meta.uid in state.removed):
            last[index] = Departed(pod.meta.uid, pod.meta.name)
    result: list[NewPod] = []
    index = 0
    while len(result) < count:
        if index not in used:
            before = last.get(index, NOBODY)
            name = _free_name(state, index, before.uid, taken)
            result.append(NewPod(index, name, before.name))
        index += 1
    return tuple(result)


def _free_name(state: CliqueState, index: int, replaces: str, taken: set[str]) -> str:
    """The name for the index; hashed on while a pod that is not yet gone still bears it."""
    name = names.pod_name(state.name, state.uid, index, replaces)
    while name in taken:
        replaces = f"{replaces}/{name}"
        name = names.pod_name(state.name, state.uid, index, replaces)
    taken.add(name)
    return name
