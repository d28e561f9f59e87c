"""An API server in memory, with garbage collection and a scheduler that is always willing.

It stands behind the same methods as `cluster.connection.Api`, so the real applier, recorder and
reconciler run on it. Its watch feeds a store at once, or later and in any order if a test says so.
"""

import asyncio
import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import msgspec
from typing_extensions import override

from grove_operator.api import labels
from grove_operator.cluster.connection import Api, Propagation
from grove_operator.cluster.records import DECODERS
from grove_operator.cluster.resources import Resource
from grove_operator.cluster.store import KindSink, Store
from grove_operator.errors import (
    AlreadyExistsError,
    ClusterError,
    ConflictError,
    ForbiddenError,
    NamespaceEndsError,
    NotFoundError,
    UnavailableError,
)
from grove_operator.observed import Kind
from grove_operator.plan.rehearse import apply_merge_patch

Object = dict[str, Any]
_NO_GENERATION = frozenset({"metadata", "status"})


class Request(NamedTuple):
    verb: str
    kind: str
    name: str
    body: Object

    @property
    def writes(self) -> bool:
        return self.verb != "get" and self.kind != "Event"


@dataclass
class Fault:
    """Makes requests fail. `lost` ones are carried out, only their answer does not arrive."""

    matches: Callable[[Request], bool]
    error: Callable[[Request], ClusterError]
    times: int = 1_000_000
    lost: bool = False


@dataclass
class FakeCluster:
    objects: dict[Kind, dict[str, Object]] = field(
        default_factory=lambda: {kind: {} for kind in Kind}
    )
    version: int = 100
    made: int = 0
    requests: list[Request] = field(default_factory=list)
    events: list[Object] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    store: Store | None = None
    held: list[Callable[[], None]] | None = None
    """Watch events that wait for `deliver`; None when they are delivered at once."""
    now: str = ""
    """The time of what is created now; without one, a second passes with each object."""
    slow: bool = False
    """Whether placed pods are not ready at once."""
    nodes: tuple[str, ...] = ("node",)
    silent: set[str] = field(default_factory=set)
    """Nodes of which nothing is heard: nobody ends their pods, and no others come."""
    gone_namespaces: set[str] = field(default_factory=set)
    room: Callable[[Object], bool] = lambda pod: True  # noqa: ARG005 - a scheduler with all the room

    # --- what users and controllers do -------------------------------------------------------

    def apply(self, manifest: Object) -> Object:
        """Create, or change the spec, labels and annotations, as a user would."""
        kind, name = Kind(manifest["kind"]), manifest["metadata"]["name"]
        if name not in self.objects[kind]:
            return self.insert(kind, manifest)
        body = {"metadata": manifest["metadata"], "spec": manifest["spec"]}
        return self.change(kind, name, body, replace=("spec",))

    def insert(self, kind: Kind, body: Object) -> Object:
        self.made += 1
        metadata = copy.deepcopy(body["metadata"]) | {
            "uid": f"{kind}-{self.made}",
            "generation": 1,
            "creationTimestamp": self.now
            or f"2026-03-01T{10 + self.made // 3600:02}:"
            f"{self.made // 60 % 60:02}:{self.made % 60:02}Z",
        }
        found = copy.deepcopy({key: value for key, value in body.items() if key != "status"})
        found["metadata"] = metadata
        if kind is Kind.POD:
            found["status"] = {"phase": "Pending"}
        return self._save(kind, found)

    def change(
        self, kind: Kind, name: str, patch: Object, *, replace: tuple[str, ...] = ()
    ) -> Object:
        """Merge `patch`; the fields in `replace` are set as a whole."""
        old = self.objects[kind][name]
        new: Object = apply_merge_patch(old, copy.deepcopy(patch))
        for key in replace:
            new[key] = copy.deepcopy(patch[key])
        if new == old:
            return old
        new["metadata"] = dict(new["metadata"])
        if any(new.get(key) != old.get(key) for key in {*new, *old} - _NO_GENERATION):
            new["metadata"]["generation"] += 1
        if "deletionTimestamp" in new["metadata"] and not new["metadata"].get("finalizers"):
            return self._remove(kind, new)
        return self._save(kind, new)

    def remove(self, kind: Kind, name: str, *, at_once: bool = False) -> Object:
        """Delete: at once, or after finalizers and a placed pod's last moments."""
        body = self.objects[kind][name]
        placed = kind is Kind.POD and body["spec"].get("nodeName") and not at_once
        if not placed and not body["metadata"].get("finalizers"):
            return self._remove(kind, body)
        if "deletionTimestamp" in body["metadata"]:
            return body
        metadata = body["metadata"] | {"deletionTimestamp": "2026-02-01T00:00:00Z"}
        metadata["generation"] += 1
        return self._save(kind, body | {"metadata": metadata})

    def set_status(self, kind: Kind, name: str, status: Object) -> None:
        self.change(kind, name, {"status": status})

    def scale(self, kind: Kind, name: str, replicas: int) -> None:
        self.change(kind, name, {"spec": {"replicas": replicas}})

    # --- controllers that are always there ---------------------------------------------------

    def tick(self) -> bool:
        """Collect garbage, end dying pods, place pods. True if anything happened."""
        before = self.version
        for kind, name in list(self._orphans()):
            if name in self.objects[kind]:
                self.remove(kind, name)
        for pod in list(self.objects[Kind.POD].values()):
            name = pod["metadata"]["name"]
            if "deletionTimestamp" in pod["metadata"]:
                if pod["spec"].get("nodeName") not in self.silent:
                    self._remove(Kind.POD, pod)
            elif _waits(pod) and self.room(pod):
                self.place(name, ready=not self.slow)
        return self.version != before

    def place(self, name: str, *, ready: bool = True) -> None:
        pod = self.objects[Kind.POD][name]
        alive = [node for node in self.nodes if node not in self.silent]
        node = pod["spec"].get("nodeName") or alive[self.version % len(alive)]
        conditions = [
            self._condition(pod, "PodScheduled", truth=True),
            self._condition(pod, "Ready", truth=ready),
        ]
        status = {"phase": "Running", "conditions": conditions}
        self.change(Kind.POD, name, {"spec": {"nodeName": node}, "status": status})

    def _condition(self, pod: Object, type_: str, *, truth: bool) -> Object:
        """Without a time where the cluster has no clock."""
        made = {"type": type_, "status": str(truth)}
        if not self.now:
            return made
        old = pod["status"].get("conditions") or ()
        same = (item for item in old if made.items() <= item.items())
        return next(same, made | {"lastTransitionTime": self.now})

    def _orphans(self) -> Iterator[tuple[Kind, str]]:
        alive = {body["metadata"]["uid"] for kind in Kind for body in self.objects[kind].values()}
        for kind in Kind:
            for name, body in self.objects[kind].items():
                owners = body["metadata"].get("ownerReferences") or ()
                if owners and not any(owner["uid"] in alive for owner in owners):
                    yield kind, name

    # --- storage and watch -------------------------------------------------------------------

    def _save(self, kind: Kind, body: Object) -> Object:
        self.version += 1
        name = body["metadata"]["name"]
        old = self.objects[kind].get(name)
        body["metadata"] = body["metadata"] | {"resourceVersion": str(self.version)}
        self.objects[kind][name] = body
        if _selected(kind, body):
            self._notify("MODIFIED", kind, body)
        elif old is not None and _selected(kind, old):
            # As the API server does: for the watcher, what leaves the selector is gone.
            last = old["metadata"] | {"resourceVersion": str(self.version)}
            self._notify("DELETED", kind, old | {"metadata": last})
        return body

    def _remove(self, kind: Kind, body: Object) -> Object:
        self.version += 1
        body = body | {"metadata": body["metadata"] | {"resourceVersion": str(self.version)}}
        del self.objects[kind][body["metadata"]["name"]]
        if _selected(kind, body):
            self._notify("DELETED", kind, body)
        if kind is Kind.SECRET:
            self._strike(body)
        return body

    def _strike(self, token: Object) -> None:
        """Take a token that is gone off its account's list, as Kubernetes does."""
        for name, account in list(self.objects[Kind.SERVICE_ACCOUNT].items()):
            noted = account.get("secrets") or []
            kept = [item for item in noted if item["name"] != token["metadata"]["name"]]
            if kept != noted:
                self.change(Kind.SERVICE_ACCOUNT, name, {"secrets": kept or None})

    def _notify(self, what: str, kind: Kind, body: Object) -> None:
        if self.store is None or kind not in DECODERS:
            return
        sink, record = KindSink(self.store, kind), DECODERS[kind](msgspec.json.encode(body))

        def send() -> None:
            (sink.delete if what == "DELETED" else sink.upsert)(record)

        if self.held is None:
            send()
        else:
            self.held.append(send)

    def deliver(self) -> None:
        """Let the watch catch up."""
        held, self.held = self.held or [], None
        for send in held:
            send()

    # --- what tests ask ----------------------------------------------------------------------

    def names(self, kind: Kind) -> list[str]:
        return sorted(self.objects[kind])

    def get(self, kind: Kind, name: str) -> Object:
        return self.objects[kind][name]

    def writes(self) -> list[str]:
        """Every write so far, as `verb Kind`."""
        return [f"{item.verb} {item.kind}" for item in self.requests if item.writes]

    def fail(
        self,
        verb: str,
        kind: str,
        error: Callable[[Request], ClusterError],
        *,
        times: int = 1_000_000,
        lost: bool = False,
    ) -> Fault:
        fault = Fault(lambda item: (item.verb, item.kind) == (verb, kind), error, times, lost)
        self.faults.append(fault)
        return fault


def _waits(pod: Object) -> bool:
    return not pod["spec"].get("schedulingGates") and not pod["spec"].get("nodeName")


def _selected(kind: Kind, body: Object) -> bool:
    own = body["metadata"].get("labels") or {}
    return kind is Kind.SET or own.get(labels.MANAGED_BY) == labels.MANAGER


def forbidden(request: Request) -> ClusterError:
    what = f"{request.verb} {request.kind} {request.name}"
    return ForbiddenError(what, 403, "Forbidden", "exceeded quota: pods")


def namespace_ends(request: Request) -> ClusterError:
    what = f"{request.verb} {request.kind} {request.name}"
    return NamespaceEndsError(what, 403, "Forbidden", "it is being terminated")


def unavailable(request: Request) -> ClusterError:
    return UnavailableError(f"{request.verb} {request.kind}", 0, "", "connection lost")


def conflict(request: Request) -> ClusterError:
    return ConflictError(f"{request.verb} {request.kind}", 409, "Conflict", "modified meanwhile")


class FakeConnection(Api):
    """The methods of `Api` that the applier and the recorder use."""

    def __init__(self, cluster: FakeCluster) -> None:
        self.cluster = cluster
        self.latency = 0.0

    @override
    async def get(self, resource: Resource, namespace: str | None, name: str) -> bytes:
        request = Request("get", resource.kind, name, {})
        return await self._answer(request, lambda: self._find(request))

    @override
    async def create(self, resource: Resource, namespace: str | None, body: bytes) -> bytes:
        document = msgspec.json.decode(body)
        request = Request("create", resource.kind, document["metadata"].get("name", ""), document)
        if resource.kind == "Event":
            self.cluster.events.append(document)
            return await self._answer(request, lambda: document)
        return await self._answer(request, lambda: self._create(request, namespace))

    @override
    async def merge_patch(
        self,
        resource: Resource,
        namespace: str | None,
        name: str,
        body: bytes,
        subresource: str | None = None,
    ) -> bytes:
        verb = f"patch {subresource}" if subresource else "patch"
        request = Request(verb, resource.kind, name, msgspec.json.decode(body))
        return await self._answer(request, lambda: self._patch(request, status=bool(subresource)))

    @override
    async def delete(
        self,
        resource: Resource,
        namespace: str | None,
        name: str,
        *,
        uid: str | None = None,
        propagation: Propagation = "Background",
        grace_period: int | None = None,
    ) -> bytes:
        request = Request("delete", resource.kind, name, {"uid": uid})
        at_once = grace_period == 0
        return await self._answer(request, lambda: self._delete(request, uid, at_once=at_once))

    async def _answer(self, request: Request, work: Callable[[], Object]) -> bytes:
        """The answer comes before the watch tells of the change, as it mostly does."""
        await asyncio.sleep(0)
        cluster = self.cluster
        late = cluster.held is None
        cluster.held = cluster.held or []
        try:
            return self._carry_out(request, work)
        finally:
            if late:
                for send in cluster.held:
                    asyncio.get_running_loop().call_soon(send)
                cluster.held = None

    def _carry_out(self, request: Request, work: Callable[[], Object]) -> bytes:
        self.cluster.requests.append(request)
        for fault in self.cluster.faults:
            if fault.times > 0 and fault.matches(request):
                fault.times -= 1
                if fault.lost:
                    work()
                raise fault.error(request)
        return msgspec.json.encode(work())

    def _find(self, request: Request) -> Object:
        found = self.cluster.objects[Kind(request.kind)].get(request.name)
        if found is None:
            raise NotFoundError(f"{request.verb} {request.name}", 404, "NotFound", "no such object")
        return found

    def _create(self, request: Request, namespace: str | None) -> Object:
        kind = Kind(request.kind)
        if namespace in self.cluster.gone_namespaces:
            raise NotFoundError("create", 404, "NotFound", f'namespaces "{namespace}" not found')
        if request.name in self.cluster.objects[kind]:
            raise AlreadyExistsError("create", 409, "AlreadyExists", f"{request.name} exists")
        return self.cluster.insert(kind, request.body)

    def _patch(self, request: Request, *, status: bool) -> Object:
        found = self._find(request)
        version = request.body.get("metadata", {}).get("resourceVersion")
        if version not in (None, found["metadata"]["resourceVersion"]):
            raise conflict(request)
        allowed = request.body.keys() & ({"status"} if status else request.body.keys() - {"status"})
        body = {key: copy.deepcopy(request.body[key]) for key in allowed}
        body.get("metadata", {}).pop("resourceVersion", None)
        return self.cluster.change(Kind(request.kind), request.name, body)

    def _delete(self, request: Request, uid: str | None, *, at_once: bool) -> Object:
        found = self._find(request)
        if uid not in (None, found["metadata"]["uid"]):
            raise conflict(request)
        return self.cluster.remove(Kind(request.kind), request.name, at_once=at_once)
