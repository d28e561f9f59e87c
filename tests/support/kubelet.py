"""A kubelet of one node, played by a test: it runs the waiters of pods for real.

Nothing else of a pod runs. One with the init container `grove-initc` becomes ready when a process
of the waiter, with that container's arguments and what would be mounted in it, has ended well; any
other at once. Pods of a clique that is held back start, but do not become ready until released.
"""

import asyncio
import contextlib
import os
import sys
import time
from base64 import b64decode
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Self

import aiohttp

from grove_operator import waiter
from tests.support.controlplane import ApiError, Kube, Object, path_of

CONTAINER: Final = "grove-initc"
_HEARTBEAT: Final = 10.0
_AGAIN: Final = 0.05


class Kubelet:
    def __init__(self, kube: Kube, namespace: str, server: Mapping[str, str], folder: Path) -> None:
        self.kube, self.namespace, self.server, self.folder = kube, namespace, server, folder
        self.node = f"kubelet-of-{namespace}"
        self.held: dict[str, asyncio.Event] = {}
        self.story: list[tuple[float, str, str, str]] = []
        """When, clique, pod, and `waits`, `starts`, `ready` or `gone`."""
        self.logs: dict[str, list[str]] = {}
        self.changed = asyncio.Event()
        self._pods = path_of("v1", "pods", namespace)
        self._began = time.monotonic()
        self._running: dict[str, asyncio.Task[None]] = {}

    @classmethod
    @contextlib.asynccontextmanager
    async def on_duty(
        cls, kube: Kube, namespace: str, server: Mapping[str, str], folder: Path
    ) -> AsyncIterator[Self]:
        self = cls(kube, namespace, server, folder)
        await self._join()
        tasks = [asyncio.create_task(self._follow()), asyncio.create_task(self._stay_alive())]
        try:
            yield self
        finally:
            running = [*tasks, *self._running.values()]
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)
            for pod in await kube.list(self._pods):
                await self._end(pod["metadata"]["name"])
            await kube.delete(path_of("v1", "nodes", name=self.node))

    # What a test asks of it

    def hold(self, clique: str) -> None:
        self.held[clique] = asyncio.Event()

    def release(self, clique: str) -> None:
        self.held.pop(clique).set()

    def has(self, clique: str, what: str) -> set[str]:
        """Pods of the clique of which that was told."""
        return {pod for _, of, pod, told in self.story if (of, told) == (clique, what)}

    async def until(self, clique: str, what: str, count: int, patience: float = 40.0) -> None:
        """Until that was told of so many pods of the clique."""
        try:
            async with asyncio.timeout(patience):
                while len(self.has(clique, what)) < count:
                    self.changed.clear()
                    await self.changed.wait()
        except TimeoutError:
            text = f"{count} pods of {clique} should have been told of: {what}"
            raise AssertionError(f"{text}\n{self.timeline()}") from None

    def timeline(self) -> str:
        lines = [f"{when:7.2f} s  {what:6} {pod}" for when, _, pod, what in self.story]
        lines += [f"{pod}: {line}" for pod, log in self.logs.items() for line in log]
        return "\n".join(lines)

    # Its node

    async def _join(self) -> None:
        node = {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": self.node, "labels": {"kubernetes.io/hostname": self.node}},
        }
        await self.kube.create(path_of("v1", "nodes"), node)
        capacity = {"cpu": "64", "memory": "256Gi", "pods": "200"}
        ready = {"type": "Ready", "status": "True", "reason": "Played", "message": "by a test"}
        status = {"capacity": capacity, "allocatable": capacity, "conditions": [ready]}
        path = path_of("v1", "nodes", name=self.node)
        await self.kube.patch(f"{path}/status", {"status": status})
        lease = {"holderIdentity": self.node, "leaseDurationSeconds": 40, "renewTime": _now()}
        leases = path_of("coordination.k8s.io/v1", "leases", "kube-node-lease")
        await self.kube.create(leases, {"metadata": {"name": self.node}, "spec": lease})
        # The scheduler is told of a node by its taint's going.
        await self.kube.wait_for(path, lambda found: not (found or {})["spec"].get("taints"))

    async def _stay_alive(self) -> None:
        lease = path_of("coordination.k8s.io/v1", "leases", "kube-node-lease", self.node)
        while True:
            await asyncio.sleep(_HEARTBEAT)
            await self.kube.patch(lease, {"spec": {"renewTime": _now()}})

    # Its pods

    async def _follow(self) -> None:
        """The pods that were placed on the node, as events tell."""
        while True:
            with contextlib.suppress(aiohttp.ClientConnectionError, aiohttp.ClientPayloadError):
                listing = await self.kube.get(self._pods)
                for pod in listing["items"]:
                    await self._take(pod)
                version = listing["metadata"]["resourceVersion"]
                async with self.kube.watch(self._pods, resourceVersion=version) as events:
                    async for event in events:
                        if event.type in ("ADDED", "MODIFIED"):
                            await self._take(event.object)
            await asyncio.sleep(_AGAIN)

    async def _take(self, pod: Object) -> None:
        if pod["spec"].get("nodeName") != self.node:
            return
        uid = pod["metadata"]["uid"]
        if "deletionTimestamp" in pod["metadata"]:
            if task := self._running.get(uid):
                task.cancel()
            await self._end(pod["metadata"]["name"])
            self._tell(pod, "gone")
        elif uid not in self._running:
            self._running[uid] = asyncio.create_task(self._run(pod))

    async def _end(self, name: str) -> None:
        with contextlib.suppress(ApiError):
            await self.kube.delete(f"{self._pods}/{name}", gracePeriodSeconds=0)

    async def _run(self, pod: Object) -> None:
        for container in pod["spec"].get("initContainers") or ():
            if container["name"] == CONTAINER:
                self._tell(pod, "waits")
                await self._wait(pod, container)
        self._tell(pod, "starts")
        if held := self.held.get(_clique(pod)):
            await held.wait()
        self._tell(pod, "ready")  # before others can hear of it
        path = f"{self._pods}/{pod['metadata']['name']}/status"
        with contextlib.suppress(ApiError):  # it may be gone
            await self.kube.patch(path, {"status": _ready_status(pod)})

    async def _wait(self, pod: Object, container: Object) -> None:
        facts, credentials = await self._mount(pod)
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-IS",
            waiter.__file__,
            *container["args"],
            f"--pod-info={facts}",
            f"--credentials={credentials}",
            env={**os.environ, **self.server},
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            log = self.logs.setdefault(pod["metadata"]["name"], [])
            assert process.stderr is not None
            async for line in process.stderr:
                log.append(line.decode().rstrip())
            assert await process.wait() == 0, log
        finally:
            if process.returncode is None:
                process.terminate()
                await process.wait()

    async def _mount(self, pod: Object) -> tuple[Path, Path]:
        """What the two volumes of the pod hold."""
        volumes = {item["name"]: item for item in pod["spec"]["volumes"]}
        name = volumes["sa-token-secret-vol"]["secret"]["secretName"]
        secret = await self.kube.wait_for(
            path_of("v1", "secrets", self.namespace, name),
            lambda found: "token" in ((found or {}).get("data") or {}),
        )
        data = {key: b64decode(secret["data"][key]).decode() for key in ("token", "ca.crt")}
        facts, credentials = (self.folder / pod["metadata"]["uid"] / x for x in ("info", "token"))
        written = {
            facts / "namespace": self.namespace,
            facts / "podgangname": pod["metadata"]["labels"]["grove.io/podgang"],
            **{credentials / key: text for key, text in data.items()},
        }
        for path, text in written.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return facts, credentials

    def _tell(self, pod: Object, what: str) -> None:
        when = time.monotonic() - self._began
        self.story.append((when, _clique(pod), pod["metadata"]["name"], what))
        self.changed.set()


def _clique(pod: Object) -> str:
    name: str = pod["metadata"]["labels"].get("grove.io/podclique", "")
    return name


def _ready_status(pod: Object) -> Object:
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    true = ("PodScheduled", "Initialized", "ContainersReady", "Ready")
    states = [
        {
            "name": container["name"],
            "image": container["image"],
            "imageID": "",
            "ready": True,
            "started": True,
            "restartCount": 0,
            "state": {"running": {"startedAt": now}},
        }
        for container in pod["spec"]["containers"]
    ]
    return {
        "phase": "Running",
        "startTime": now,
        "conditions": [
            {"type": name, "status": "True", "lastTransitionTime": now} for name in true
        ],
        "containerStatuses": states,
    }


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
