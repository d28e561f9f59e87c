"""What happened to the pods of a namespace, change by change, and how few were ready meanwhile."""

import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from grove_operator.api import labels
from tests.support.controlplane import Object
from tests.support.follow import Followed, is_live


@dataclass
class Timeline:
    """Follows each change. `lowest` is by PodClique, while it was followed."""

    seen: Followed
    started: float = field(default_factory=time.monotonic)
    lines: list[str] = field(default_factory=list)
    lowest: dict[str, int] = field(default_factory=dict)
    born: Counter[tuple[str, str]] = field(default_factory=Counter)
    """How many pods each PodClique's index has had made for it."""
    out: dict[str, int] = field(default_factory=dict)
    """By scaling group: most of its replicas that were short of a ready pod at one time."""
    _states: dict[str, str] = field(default_factory=dict)

    def take(self, kind: str, change: str, item: Object) -> None:
        if kind == "PodCliqueSet":
            self._note(kind, item, str(item.get("status", {}).get("updateProgress")))
        if kind != "Pod":
            return
        own = item["metadata"]["labels"]
        clique = own[labels.PODCLIQUE]
        if change == "ADDED":
            self.born[clique, own[labels.POD_INDEX]] += 1
        self._note(kind, item, "gone" if change == "DELETED" else _state(item))
        ready = sum(is_ready(pod) for pod in self._pods(clique))
        self.lowest[clique] = min(self.lowest.get(clique, ready), ready)
        if group := own.get(labels.SCALING_GROUP):
            self.out[group] = max(self.out.get(group, 0), self._short(group))

    def _pods(self, clique: str) -> Iterator[Object]:
        for pod in self.seen.of("Pod"):
            if pod["metadata"]["labels"][labels.PODCLIQUE] == clique:
                yield pod

    def _short(self, group: str) -> int:
        """Replicas of the group with fewer ready pods in some PodClique than it has to have."""
        short: dict[str, bool] = defaultdict(bool)
        for clique in self.seen.of("PodClique"):
            own = clique["metadata"]["labels"]
            if own.get(labels.SCALING_GROUP) == group:
                ready = sum(is_ready(pod) for pod in self._pods(clique["metadata"]["name"]))
                index = own[labels.GROUP_REPLICA_INDEX]
                short[index] |= ready < clique["spec"]["minAvailable"]
        return sum(short.values())

    def _note(self, kind: str, item: Object, state: str) -> None:
        name = item["metadata"]["name"]
        if self._states.get(name) != state:
            self._states[name] = state
            moment = time.monotonic() - self.started
            self.lines.append(f"{moment:7.2f} {kind} {name}: {state}")

    def story(self, last: int = 80) -> str:
        return "\n".join(self.lines[-last:])


def is_ready(pod: Object) -> bool:
    conditions = pod.get("status", {}).get("conditions") or ()
    ready = any(item["type"] == "Ready" and item["status"] == "True" for item in conditions)
    return ready and is_live(pod)


def _state(pod: Object) -> str:
    if "deletionTimestamp" in pod["metadata"]:
        return "ends"
    if is_ready(pod):
        return "ready"
    placed = "placed" if pod["spec"].get("nodeName") else "made"
    return f"{placed}, {pod.get('status', {}).get('phase')}"


@contextmanager
def timeline(seen: Followed) -> Iterator[Timeline]:
    """Follow what happens inside; a failure there is told with the story so far."""
    found = Timeline(seen)
    for kind in ("PodCliqueSet", "Pod"):
        for item in seen.of(kind):
            found.take(kind, "MODIFIED", item)
    seen.listeners.append(found.take)
    try:
        yield found
    except AssertionError as error:
        raise AssertionError(f"{error}\n{found.story()}") from error
    finally:
        seen.listeners.remove(found.take)
