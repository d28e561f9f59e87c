"""The cache: every object that concerns a PodCliqueSet, filed under set and replica.

Fed by informers and by the answers to our own writes, so that what was written is seen at once.
Resource versions decide which of two states is newer; objects known to be gone never come back.
Tells one listener what changed. Decides nothing.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final, NamedTuple, TypeVar

from msgspec.structs import replace

from grove_operator.api import labels
from grove_operator.api.names import replica_of
from grove_operator.observed import (
    Child,
    Clique,
    Departed,
    Kind,
    Pod,
    Record,
    ReplicaSnapshot,
    ScalingGroup,
)
from grove_operator.policy.placement import pod_index

_TOMBSTONES: Final = 50_000
"""UIDs of gone objects to remember, with the last version: more than can be under way at once."""
_FOR_EVER: Final = 2**63
_SET_LEVEL: Final = frozenset(
    {
        Kind.SERVICE_ACCOUNT,
        Kind.ROLE,
        Kind.ROLE_BINDING,
        Kind.SECRET,
        Kind.WORKLOAD,
        Kind.POD_MONITOR,
        Kind.REVISION,
    }
)
_NAMED_BY_REPLICA: Final = frozenset(
    {
        Kind.GANG,
        Kind.HPA,
        Kind.RESOURCE_CLAIM,
        Kind.KAI_POD_GROUP,
        Kind.VOLCANO_POD_GROUP,
    }
)
"""Kinds without a replica index label: their names tell."""
_RESTLESS: Final = frozenset({Kind.KAI_POD_GROUP, Kind.VOLCANO_POD_GROUP})
"""Kinds whose scheduler counts its tries in their status: what is not decoded is no news."""
WHOLE_SET: Final = -1
"""In place of a replica index: the set itself."""


class Source(Enum):
    """Where a state comes from, which decides what in it is news."""

    WATCH = 1
    ACTION = 2
    """The answer to an action: whoever sent it looks again by himself."""
    STATUS = 3
    """The answer to a status write: the status is no news, but all else may be."""


class Family(NamedTuple):
    """Namespace and name of a PodCliqueSet."""

    namespace: str
    name: str


class Place(NamedTuple):
    """Where an object is filed."""

    family: Family
    replica: int


T = TypeVar("T")
Listener = Callable[[Place, Kind, Record | None, Record | None], None]
"""Called with the place, the kind, and the record before and after; None if there is none."""


@dataclass(slots=True)
class _Files:
    """Objects of one replica, or of the set itself."""

    children: dict[Kind, dict[str, Record]] = field(default_factory=dict)
    pods: dict[str, dict[str, Pod]] = field(default_factory=dict)
    departed: dict[str, dict[int, Departed]] = field(default_factory=dict)

    @property
    def empty(self) -> bool:
        return not any(self.children.values()) and not self.pods


class Store:
    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._files: dict[Family, dict[int, _Files]] = {}
        self._objects: dict[Kind, dict[tuple[str, str], tuple[Place, Record]]] = {
            kind: {} for kind in Kind
        }
        self._gone: OrderedDict[str, int] = OrderedDict()

    # --- what informers and writes tell us -------------------------------------------------

    def upsert(self, kind: Kind, record: Record, source: Source = Source.WATCH) -> None:
        """Take a state of an object, unless a newer one or its end is known."""
        meta = record.meta
        key = (meta.namespace, meta.name)
        known = self._objects[kind].get(key)
        if meta.version <= self._gone.get(meta.uid, 0):
            return
        if known and known[1].meta.version >= meta.version:
            return
        place = _place_of(kind, record)
        old = known[1] if known else None
        if known:
            self._unfile(kind, *known, gone=known[1].meta.uid != meta.uid)
        self._objects[kind][key] = (place, record)
        self._file(kind, place, record)
        if known and known[0] != place:
            self._listener(known[0], kind, old, None)
        if source is not Source.ACTION and (old is None or _differs(kind, old, record, source)):
            self._listener(place, kind, old, record)

    def delete(self, kind: Kind, record: Record) -> None:
        """Take an object's end; that of an earlier object of the same name changes nothing."""
        meta = record.meta
        self._drop(kind, record, deleting=meta.deleting)
        # Not for ever: an object whose labels hid it from the watch may come back.
        self._bury(meta.uid, meta.version)

    def forget(self, kind: Kind, namespace: str, name: str, uid: str) -> None:
        """Drop an object that a request has shown to be gone."""
        known = self._objects[kind].get((namespace, name))
        if known is not None and known[1].meta.uid == uid:
            self._drop(kind, known[1], deleting=True)
            self._bury(uid, _FOR_EVER)

    def replace(self, kind: Kind, records: Iterable[Record], version: str) -> None:
        """Take a complete list. What it lacks is gone, unless it is younger than the list."""
        listed = set()
        for record in records:
            listed.add((record.meta.namespace, record.meta.name))
            self.upsert(kind, record)
        limit = int(version or 0)
        missing = [
            record
            for key, (_, record) in self._objects[kind].items()
            if key not in listed and record.meta.version <= limit
        ]
        for record in missing:
            self.delete(kind, record)

    # --- what planning asks ----------------------------------------------------------------

    def get(self, kind: Kind, namespace: str, name: str) -> Record | None:
        known = self._objects[kind].get((namespace, name))
        return known[1] if known else None

    def the_set(self, family: Family) -> Child | None:
        record = self.get(Kind.SET, family.namespace, family.name)
        return record if isinstance(record, Child) else None

    def count(self, kind: Kind) -> int:
        return len(self._objects[kind])

    def families(self) -> Iterator[Family]:
        """All sets of which anything exists."""
        yield from list(self._files)

    def replicas(self, family: Family) -> list[int]:
        """Indices of the replicas of which anything exists."""
        return sorted(index for index in self._files.get(family, ()) if index != WHOLE_SET)

    def has_replicas(self, family: Family) -> bool:
        """Whether anything of any replica exists; a list of them would cost more with each."""
        return any(index != WHOLE_SET for index in self._files.get(family, ()))

    def set_children(self, family: Family) -> Mapping[Kind, Mapping[str, Child]]:
        files = self._files.get(family, {}).get(WHOLE_SET, _Files())
        return {
            kind: {name: item for name, item in found.items() if isinstance(item, Child)}
            for kind, found in files.children.items()
            if kind is not Kind.SET
        }

    def is_starting(self, family: Family, replica: int) -> bool:
        """Whether any pod of the replica that is to stay is not ready."""
        files = self._files.get(family, {}).get(replica, _Files())
        return any(
            not pod.ready and not pod.meta.deleting
            for pods in files.pods.values()
            for pod in pods.values()
        )

    def snapshot(self, family: Family, replica: int) -> ReplicaSnapshot:
        """A picture of one replica that later changes do not touch."""
        files = self._files.get(family, {}).get(replica)
        if files is None:
            return ReplicaSnapshot()
        children = files.children
        return ReplicaSnapshot(
            cliques=_only(children.get(Kind.CLIQUE), Clique),
            groups=_only(children.get(Kind.SCALING_GROUP), ScalingGroup),
            pods={clique: tuple(pods.values()) for clique, pods in files.pods.items()},
            gangs=_only(children.get(Kind.GANG), Child),
            services=_only(children.get(Kind.SERVICE), Child),
            hpas=_only(children.get(Kind.HPA), Child),
            pod_groups=_only(children.get(Kind.POD_GROUP), Child),
            composite_groups=_only(children.get(Kind.COMPOSITE_POD_GROUP), Child),
            claims=_only(children.get(Kind.RESOURCE_CLAIM), Child),
            compute_domains=_only(children.get(Kind.COMPUTE_DOMAIN), Child),
            kai_groups=_only(children.get(Kind.KAI_POD_GROUP), Child),
            volcano_groups=_only(children.get(Kind.VOLCANO_POD_GROUP), Child),
            set_status=self._set_status(family),
            departed={clique: dict(gone) for clique, gone in files.departed.items()},
        )

    def _set_status(self, family: Family) -> Mapping[str, Any]:
        record = self.the_set(family)
        return record.status if record is not None else {}

    # --- filing ----------------------------------------------------------------------------

    def _file(self, kind: Kind, place: Place, record: Record) -> None:
        replicas = self._files.setdefault(place.family, {})
        files = replicas.get(place.replica)
        if files is None:
            files = replicas[place.replica] = _Files()
        if isinstance(record, Pod):
            clique = _clique_of(record)
            files.pods.setdefault(clique, {})[record.meta.name] = record
        else:
            files.children.setdefault(kind, {})[record.meta.name] = record

    def _drop(self, kind: Kind, record: Record, *, deleting: bool) -> None:
        key = (record.meta.namespace, record.meta.name)
        known = self._objects[kind].get(key)
        if known is None or known[1].meta.uid != record.meta.uid:
            return
        place, last = known
        del self._objects[kind][key]
        # A pod that only lost its labels still has its name: that is not free, it is adopted.
        self._unfile(kind, place, last, gone=deleting or last.meta.deleting)
        self._listener(place, kind, last, None)

    def _unfile(self, kind: Kind, place: Place, record: Record, *, gone: bool) -> None:
        replicas = self._files[place.family]
        files = replicas[place.replica]
        name = record.meta.name
        if isinstance(record, Pod):
            clique = _clique_of(record)
            pods = files.pods[clique]
            del pods[name]
            if not pods:
                del files.pods[clique]
            index = pod_index(record)
            if gone and index is not None:
                departed = Departed(record.meta.uid, record.meta.name)
                files.departed.setdefault(clique, {})[index] = departed
        else:
            del files.children[kind][name]
            if kind is Kind.CLIQUE and gone:
                files.departed.pop(name, None)
        if files.empty:
            del replicas[place.replica]
            if not replicas:
                del self._files[place.family]

    def _bury(self, uid: str, version: int) -> None:
        self._gone[uid] = max(version, self._gone.get(uid, 0))
        if len(self._gone) > _TOMBSTONES:
            self._gone.popitem(last=False)


class KindSink:
    """What an informer of one kind feeds."""

    def __init__(self, store: Store, kind: Kind) -> None:
        self._store = store
        self._kind = kind

    def upsert(self, record: Record) -> None:
        self._store.upsert(self._kind, record)

    def delete(self, record: Record) -> None:
        self._store.delete(self._kind, record)

    def replace(self, records: list[Record], resource_version: str) -> None:
        self._store.replace(self._kind, records, resource_version)


def _only(records: Mapping[str, Record] | None, kind: type[T]) -> dict[str, T]:
    return {name: item for name, item in (records or {}).items() if isinstance(item, kind)}


def _clique_of(pod: Pod) -> str:
    return pod.meta.owner_name or pod.meta.labels.get(labels.PODCLIQUE, "")


def _place_of(kind: Kind, record: Record) -> Place:
    meta = record.meta
    if kind is Kind.SET:
        return Place(Family(meta.namespace, meta.name), WHOLE_SET)
    family = Family(meta.namespace, meta.labels.get(labels.PART_OF, ""))
    if kind in _SET_LEVEL:
        return Place(family, WHOLE_SET)
    index: int | None = None
    if kind in _NAMED_BY_REPLICA:
        index = replica_of(family.name, meta.name)
        if index is None and kind is Kind.KAI_POD_GROUP:
            # One that KAI's pod grouper has made of a PodGang.
            index = replica_of(family.name, meta.name.removeprefix("pg-"))
    else:
        text = meta.labels.get(labels.REPLICA_INDEX, "")
        if text.isascii() and text.isdigit():
            index = int(text)
    return Place(family, WHOLE_SET if index is None else index)


def _differs(kind: Kind, old: Record, new: Record, source: Source) -> bool:
    """Whether anything that counts changed; most pod events change nothing that does."""
    if isinstance(old, Pod) and isinstance(new, Pod):
        return _facts(old) != _facts(new)
    if kind in _RESTLESS:
        return _without_version(old) != _without_version(new)
    if source is Source.STATUS:
        return _without_status(old) != _without_status(new)
    if isinstance(old, Child) and isinstance(new, Child) and not (old.body or new.body):
        # Of such objects nothing is kept but metadata, and much of what changes is status.
        return _without_status(old) != _without_status(new)
    return True


def _without_version(record: Record) -> Record:
    return replace(record, meta=replace(record.meta, version=0))


def _without_status(record: Record) -> Record:
    meta = replace(record.meta, version=0)
    if isinstance(record, Pod):
        return record
    return replace(record, meta=meta, status={})


def _facts(pod: Pod) -> tuple[object, ...]:
    meta = pod.meta
    return (
        meta.uid,
        meta.deleting,
        meta.labels,
        meta.owner_uid,
        pod.phase,
        pod.node,
        pod.ready,
        pod.scheduled,
        pod.gates,
        pod.failing,
        pod.started_unready,
        pod.running_since,
        pod.ready_since,
        pod.trouble,
        pod.ended,
        pod.verdict,
    )
