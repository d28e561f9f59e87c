"""All objects of a namespace that can belong to a PodCliqueSet, followed by watches as they change.

    async with Followed.start(kube, namespace) as seen:
        await seen.until(lambda: len(seen.of("Pod")) == 5, "five pods")
        assert seen.clashes == []

Besides what exists now it notes what must never be, even for a moment: two live pods of one
PodClique with the same index. It survives an API server that goes away.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final, Self

import aiohttp

from grove_operator.api import labels
from tests.support.controlplane import ApiError, Kube, Object, path_of

KINDS: Final = {
    "PodCliqueSet": ("grove.io/v1alpha1", "podcliquesets"),
    "PodCliqueScalingGroup": ("grove.io/v1alpha1", "podcliquescalinggroups"),
    "PodClique": ("grove.io/v1alpha1", "podcliques"),
    "PodGang": ("scheduler.grove.io/v1alpha1", "podgangs"),
    "Pod": ("v1", "pods"),
    "Service": ("v1", "services"),
    "ServiceAccount": ("v1", "serviceaccounts"),
    "Secret": ("v1", "secrets"),
    "Role": ("rbac.authorization.k8s.io/v1", "roles"),
    "RoleBinding": ("rbac.authorization.k8s.io/v1", "rolebindings"),
    "HorizontalPodAutoscaler": ("autoscaling/v2", "horizontalpodautoscalers"),
    "Workload": ("scheduling.k8s.io/v1beta1", "workloads"),
    "PodGroup": ("scheduling.k8s.io/v1beta1", "podgroups"),
    "CompositePodGroup": ("scheduling.k8s.io/v1alpha3", "compositepodgroups"),
    "ResourceClaim": ("resource.k8s.io/v1", "resourceclaims"),
}
PATIENCE: Final = 45.0
_AGAIN: Final = 0.05
_FAREWELL: Final = 0.05
"""Connections that were cut need a moment of the loop to close."""
_EXPLAIN_EVERY: Final = 0.1
_FINISHED: Final = frozenset({"Succeeded", "Failed"})


def collection(kind: str, namespace: str, name: str | None = None) -> str:
    """Path of a kind's objects in a namespace, or of one of them."""
    return path_of(*KINDS[kind], namespace, name)


@dataclass
class Followed:
    """Objects by kind and name, always the newest state seen."""

    kube: Kube
    namespace: str
    objects: dict[str, dict[str, Object]] = field(default_factory=dict)
    clashes: list[str] = field(default_factory=list)
    """Pods that shared an index with a live pod of the same PodClique."""
    changes: int = 0
    listeners: list[Callable[[str, str, Object], None]] = field(default_factory=list)
    """Told of each change: kind, change, object."""
    versions: dict[str, int] = field(default_factory=dict)
    """How far each kind's watch has come."""
    _changed: asyncio.Event = field(default_factory=asyncio.Event)
    _listed: dict[str, asyncio.Event] = field(default_factory=dict)

    @classmethod
    @contextlib.asynccontextmanager
    async def start(cls, kube: Kube, namespace: str) -> AsyncIterator[Self]:
        self = cls(kube, namespace)
        self._listed = {kind: asyncio.Event() for kind in KINDS}
        tasks = [asyncio.create_task(self._follow(kind)) for kind in KINDS]
        try:
            async with asyncio.timeout(PATIENCE):
                for listed in self._listed.values():
                    await listed.wait()
            yield self
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await asyncio.sleep(_FAREWELL)

    def of(self, kind: str) -> list[Object]:
        found = self.objects.get(kind, {})
        return [found[name] for name in sorted(found)]

    def named(self, kind: str, name: str) -> Object | None:
        return self.objects.get(kind, {}).get(name)

    def __iter__(self) -> Iterator[tuple[str, Object]]:
        for kind in KINDS:
            for item in self.of(kind):
                yield kind, item

    async def until(
        self, check: Callable[[], object], what: str, patience: float = PATIENCE
    ) -> None:
        """Wait for changes until `check` holds."""
        await self.until_nothing(lambda: [] if check() else [what], patience)

    async def until_nothing(
        self, problems: Callable[[], list[str]], patience: float = PATIENCE
    ) -> None:
        """Wait for changes until `problems` finds none; if it goes on to, they are the error."""
        deadline = time.monotonic() + patience
        while found := problems():
            self._changed.clear()
            left = deadline - time.monotonic()
            if left <= 0:
                shown = "\n".join(found[:30])
                raise AssertionError(
                    f"after {patience:g} s and {self.changes} changes in {self.namespace}, "
                    f"{len(found)} problems:\n{shown}"
                )
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), left)
            # Changes come in bursts, and looking at everything is not free.
            await asyncio.sleep(_EXPLAIN_EVERY)

    async def caught_up(self, kind: str, answer: Object, patience: float = PATIENCE) -> None:
        """Until an object is seen as this answer shows it, or newer, or it is gone again."""
        name, version = answer["metadata"]["name"], int(_version(answer))

        def arrived() -> bool:
            now = self.named(kind, name)
            return self.versions[kind] >= version or (
                now is not None and int(_version(now)) >= version
            )

        await self.until(arrived, f"{kind} {name} at version {version}", patience)

    async def stays_quiet(self, seconds: float) -> list[str]:
        """Let time pass; what changed meanwhile, apart from nothing."""
        before = {(kind, item["metadata"]["uid"]): _version(item) for kind, item in self}
        await asyncio.sleep(seconds)
        after = {(kind, item["metadata"]["uid"]): _version(item) for kind, item in self}
        return [
            f"{kind} {uid}: {before.get((kind, uid))} -> {version}"
            for (kind, uid), version in after.items()
            if before.get((kind, uid)) != version
        ]

    async def _follow(self, kind: str) -> None:
        path = collection(kind, self.namespace)
        while True:
            try:
                listing = await self.kube.get(path)
                self._replace(kind, listing["items"])
                version = listing["metadata"]["resourceVersion"]
                async with self.kube.watch(path, resourceVersion=version) as events:
                    async for event in events:
                        if event.type == "ERROR":
                            break
                        self._take(kind, event.type, event.object)
            except (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError):
                await asyncio.sleep(_AGAIN)
            except ApiError as error:
                if error.status == HTTPStatus.NOT_FOUND:  # a cluster that does not serve the kind
                    self._replace(kind, [])
                await asyncio.sleep(_AGAIN)

    def _replace(self, kind: str, items: list[Object]) -> None:
        self.objects[kind] = {}
        self.versions.setdefault(kind, 0)
        for item in items:
            self._take(kind, "ADDED", item)
        self._listed[kind].set()
        self._changed.set()

    def _take(self, kind: str, change: str, item: Object) -> None:
        found = self.objects[kind]
        name = item["metadata"]["name"]
        self.versions[kind] = max(self.versions.get(kind, 0), int(_version(item)))
        if change == "DELETED":
            found.pop(name, None)
        else:
            found[name] = item
            if kind == "Pod" and change == "ADDED":
                self._note_clash(item)
        self.changes += 1
        for tell in self.listeners:
            tell(kind, change, item)
        self._changed.set()

    def _note_clash(self, new: Object) -> None:
        for other in self.objects["Pod"].values():
            if other is not new and is_live(other) and is_live(new) and seat(other) == seat(new):
                clique, index = seat(new)
                names = sorted(pod["metadata"]["name"] for pod in (other, new))
                self.clashes.append(f"{clique} has two pods with index {index}: {names}")


def seat(pod: Object) -> tuple[str, str]:
    """PodClique and index of a pod."""
    found = pod["metadata"].get("labels", {})
    return found.get(labels.PODCLIQUE, ""), found.get(labels.POD_INDEX, "")


def is_live(pod: Object) -> bool:
    finished = pod.get("status", {}).get("phase") in _FINISHED
    return "deletionTimestamp" not in pod["metadata"] and not finished


def _version(item: Object) -> str:
    version: str = item["metadata"]["resourceVersion"]
    return version
