"""Carries plans out: sends actions rank by rank, files the answers in the store.

Knows how, never why. An object that is already there and ours, or already gone, is success; a
conflict means that somebody was faster, so look again. The first failure of a rank ends the pass.
"""

import asyncio
import logging
import math
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, Final

import msgspec

from grove_operator.cluster import resources
from grove_operator.cluster.connection import Api
from grove_operator.cluster.records import DECODERS
from grove_operator.cluster.resources import Resource
from grove_operator.cluster.slowstart import SlowStart
from grove_operator.cluster.store import Source, Store
from grove_operator.desired.blueprint import owner_reference
from grove_operator.errors import (
    AlreadyExistsError,
    ClusterError,
    ConflictError,
    ForbiddenError,
    InvalidError,
    NamespaceEndsError,
    NotFoundError,
)
from grove_operator.observed import Kind, Record
from grove_operator.plan.actions import Action, Create, Delete, Patch, StatusPatch
from grove_operator.plan.obstacles import DEVICE_CODES

RESOURCES: Final[dict[Kind, Resource]] = {
    Kind.SET: resources.POD_CLIQUE_SETS,
    Kind.SCALING_GROUP: resources.SCALING_GROUPS,
    Kind.CLIQUE: resources.POD_CLIQUES,
    Kind.GANG: resources.POD_GANGS,
    Kind.POD: resources.PODS,
    Kind.SERVICE: resources.SERVICES,
    Kind.SERVICE_ACCOUNT: resources.SERVICE_ACCOUNTS,
    Kind.ROLE: resources.ROLES,
    Kind.ROLE_BINDING: resources.ROLE_BINDINGS,
    Kind.SECRET: resources.SECRETS,
    Kind.HPA: resources.HPAS,
    Kind.WORKLOAD: resources.WORKLOADS,
    Kind.POD_GROUP: resources.POD_GROUPS,
    Kind.COMPOSITE_POD_GROUP: resources.COMPOSITE_POD_GROUPS,
    Kind.KAI_POD_GROUP: resources.KAI_POD_GROUPS,
    Kind.VOLCANO_POD_GROUP: resources.VOLCANO_POD_GROUPS,
    Kind.POD_MONITOR: resources.POD_MONITORS,
    Kind.REVISION: resources.REVISIONS,
    Kind.RESOURCE_CLAIM: resources.RESOURCE_CLAIMS,
    Kind.COMPUTE_DOMAIN: resources.COMPUTE_DOMAINS,
    Kind.TOPOLOGY_BINDING: resources.TOPOLOGY_BINDINGS,
}
_LOG = logging.getLogger(__name__)
_REMEMBERED: Final = 10_000
_COLLECTED: Final = 10.0
"""Seconds within which Kubernetes removes the token of an account that is gone."""
_WRITTEN_OFTEN: Final = frozenset({Kind.CLIQUE, Kind.SCALING_GROUP, Kind.GANG})
"""Where the API server's account of who wrote which field is dropped with the first patch, as long
as it names us alone. It keeps none of an object that has none, and each write costs it half."""
_encode = msgspec.json.Encoder().encode


class ForeignObjectError(ClusterError):
    """An object of the name that we need exists and belongs to somebody else."""

    def __init__(self, kind: Kind, name: str) -> None:
        super().__init__(
            f"create {kind} {name}",
            409,
            "Foreign",
            f"a {kind} named {name} exists that is not of this PodCliqueSet; delete or rename it",
        )


@dataclass(slots=True)
class Report:
    """What became of a batch. `stale` asks for another look, `failures` for one after a while."""

    done: Counter[tuple[str, Kind]] = field(default_factory=Counter)
    failures: list[tuple[Action | StatusPatch, ClusterError]] = field(default_factory=list)
    stale: bool = False

    def take_over(self, other: "Report") -> None:
        """Let what went wrong with another batch count as well."""
        self.failures += other.failures
        self.stale |= other.stale

    @property
    def namespace_ends(self) -> bool:
        """Whether something was not made because its namespace is being deleted."""
        return any(isinstance(error, NamespaceEndsError) for _, error in self.failures)

    @property
    def pods_removed(self) -> bool:
        """Whether pods went, and all that were to go; whatever became of what came after that."""
        left = (isinstance(act, Delete) and act.kind is Kind.POD for act, _ in self.failures)
        return self.done["Delete", Kind.POD] > 0 and not any(left)


_STATUSES_AT_ONCE: Final = 3
_ENDING: Final = 2.0
"""Seconds for which a namespace is taken to be on its way out, once it was; another of its name may
come."""


class Applier:
    def __init__(self, api: Api, store: Store, clock: Callable[[], float] = time.monotonic) -> None:
        self._api = api
        self._store = store
        self._clock = clock
        self._met: dict[tuple[str, Kind, str], float] = {}
        self._sent: dict[str, tuple[int, bytes]] = {}
        self._ending: dict[str, tuple[float, str]] = {}
        """By namespace that is being deleted: until when to believe it, and what was said."""

    @property
    def latency(self) -> float:
        """How long the API server takes to answer now, in seconds."""
        return self._api.latency

    async def apply(self, namespace: str, actions: Sequence[Action], pace: SlowStart) -> Report:
        """Send `actions`, sorted by rank. Later ranks wait for earlier ones to succeed."""
        report = Report()
        for _, batch in groupby(actions, key=lambda action: action.rank):
            await self._run(namespace, list(batch), pace, report)
            if report.failures or report.stale:
                break
        return report

    async def write_statuses(self, namespace: str, patches: Sequence[StatusPatch]) -> Report:
        """A few at a time: a burst would hold up whoever waits for a step."""
        report = Report()
        for start in range(0, len(patches), _STATUSES_AT_ONCE):
            batch = patches[start : start + _STATUSES_AT_ONCE]
            await asyncio.gather(*(self._status(namespace, patch, report) for patch in batch))
        return report

    async def _run(
        self, namespace: str, batch: list[Action], pace: SlowStart, report: Report
    ) -> None:
        if len(batch) == 1:
            await self._one(namespace, batch[0], pace, report)
        else:
            await asyncio.gather(*(self._one(namespace, action, pace, report) for action in batch))

    async def _one(self, namespace: str, action: Action, pace: SlowStart, report: Report) -> None:
        try:
            if isinstance(action, Create):
                async with pace.turn():
                    if report.failures:
                        return  # the rest of the batch would meet the same refusal
                    done = await self._create(namespace, action, report)
                    if done:
                        pace.succeeded()
            elif isinstance(action, Patch):
                done = await self._patch(namespace, action, report)
            else:
                await self._delete(namespace, action)
                done = True
        except ConflictError:
            report.stale = True
        except NotFoundError:
            # The namespace or the owner is going away, or the object is gone already.
            if not isinstance(action, Create):
                self._store.forget(action.kind, namespace, action.name, action.uid)
            report.stale = True
        except ClusterError as error:
            if isinstance(error, ForbiddenError | InvalidError):
                pace.refused()
            report.failures.append((action, error))
        else:
            if done:
                report.done[type(action).__name__, action.kind] += 1

    async def _create(self, namespace: str, action: Create, report: Report) -> bool:
        owner = self._store.get(action.owner.kind, namespace, action.owner.name)
        if owner is None or owner.meta.deleting:
            report.stale = True
            return False
        self._check_namespace(namespace)
        api_version = RESOURCES[action.owner.kind].api_version
        reference = owner_reference(
            api_version, str(action.owner.kind), action.owner.name, owner.meta.uid
        )
        body = action.body | {
            "metadata": action.body["metadata"] | {"ownerReferences": [reference]}
        }
        try:
            answer = await self._api.create(RESOURCES[action.kind], namespace, _encode(body))
        except AlreadyExistsError:
            if action.kind not in DECODERS:
                return self._has_stayed(action, owner.meta.uid, report)
            await self._adopt(namespace, action, owner.meta.uid)
            return True
        except NamespaceEndsError as error:
            self._note_ending(namespace, error.message)
            raise
        if action.kind not in DECODERS:
            self._met[_unseen(action, owner.meta.uid)] = -math.inf
            return True
        self._store.upsert(action.kind, DECODERS[action.kind](answer), Source.ACTION)
        return True

    def _note_ending(self, namespace: str, message: str) -> None:
        now = self._clock()
        self._ending = {name: found for name, found in self._ending.items() if found[0] > now}
        self._ending[namespace] = now + _ENDING, message

    def _check_namespace(self, namespace: str) -> None:
        """One refusal is enough for all that a namespace holds, which may be thousands of sets."""
        if namespace in self._ending:
            until, message = self._ending[namespace]
            if self._clock() < until:
                raise NamespaceEndsError(f"create in {namespace}", 403, "Forbidden", message)

    def _has_stayed(self, action: Create, owner_uid: str, report: Report) -> bool:
        """Whether an object that may not be read can be taken for one of an earlier try.

        That of an earlier set of the same name goes with that set's account; ours stays. What
        was once known to be ours needs no second wait when a later action has to be tried again.
        """
        if len(self._met) > _REMEMBERED:
            self._met.clear()
        key, now = _unseen(action, owner_uid), self._clock()
        if now - self._met.setdefault(key, now) < _COLLECTED:
            report.stale = True
            return False
        self._met[key] = -math.inf
        return True

    async def _adopt(self, namespace: str, action: Create, owner_uid: str) -> None:
        """Take an object that an earlier try made. Labels that hid it from us are put back."""
        resource = RESOURCES[action.kind]
        answer = await self._api.get(resource, namespace, action.name)
        record = DECODERS[action.kind](answer)
        if record.meta.owner_uid != owner_uid:
            raise ForeignObjectError(action.kind, action.name)
        labels = action.body["metadata"].get("labels", {})
        if not labels.items() <= record.meta.labels.items():
            body = _encode({"metadata": {"labels": labels}})
            answer = await self._api.merge_patch(resource, namespace, action.name, body)
            record = DECODERS[action.kind](answer)
        self._store.upsert(action.kind, record, Source.ACTION)

    async def _patch(self, namespace: str, action: Patch, report: Report) -> bool:
        body = action.body
        if action.version is not None:
            body = _with_metadata(body, resourceVersion=str(action.version))
        before = self._store.get(action.kind, namespace, action.name)
        if before is None or before.meta.uid != action.uid:
            report.stale = True
            return False
        if action.kind in _WRITTEN_OFTEN and before.meta.ours_alone and action.subresource is None:
            # The version makes sure that nobody else has become a manager meanwhile.
            version = str(before.meta.version)
            body = _with_metadata(body, resourceVersion=version, managedFields=[{}])
        if self._repeats(action, before):
            return False
        _LOG.debug("patch", extra={"kind": action.kind, "object": action.name, "why": action.why})
        answer = await self._api.merge_patch(
            RESOURCES[action.kind], namespace, action.name, _encode(body), action.subresource
        )
        after = DECODERS[action.kind](answer)
        self._store.upsert(action.kind, after, Source.ACTION)
        self._sent[action.uid] = (after.meta.version, _encode(action.body))
        return True

    def _repeats(self, action: Patch, before: Record) -> bool:
        """Whether this very patch led to this very state: something rewrites what we write.

        Sending it for ever would be a hot loop.
        """
        if len(self._sent) > _REMEMBERED:
            self._sent.clear()
        version, body = self._sent.get(action.uid, (0, b""))
        return version == before.meta.version and body == _encode(action.body)

    async def _delete(self, namespace: str, action: Delete) -> None:
        answer = await self._api.delete(
            RESOURCES[action.kind],
            namespace,
            action.name,
            uid=action.uid,
            grace_period=0 if action.at_once else None,
        )
        if action.at_once:
            self._store.forget(action.kind, namespace, action.name, action.uid)
        else:
            self._mark_deleted(action, namespace, answer)

    def _mark_deleted(self, action: Delete, namespace: str, answer: bytes) -> None:
        """From now on the object is going away, whatever the answer looks like."""
        before = self._store.get(action.kind, namespace, action.name)
        if before is None or before.meta.uid != action.uid:
            return
        version = before.meta.version
        document = msgspec.json.decode(answer, type=_AnswerJson)
        if document.kind != "Status":
            after = DECODERS[action.kind](answer)
            if after.meta.uid == action.uid and after.meta.deleting:
                self._store.upsert(action.kind, after, Source.ACTION)
                return
        meta = msgspec.structs.replace(before.meta, deleting=True, version=version + 1)
        self._store.upsert(action.kind, msgspec.structs.replace(before, meta=meta), Source.ACTION)

    async def _status(self, namespace: str, patch: StatusPatch, report: Report) -> None:
        body = patch.body
        if patch.version is not None:
            body = _with_metadata(body, resourceVersion=str(patch.version))
        try:
            answer = await self._api.merge_patch(
                RESOURCES[patch.kind], namespace, patch.name, _encode(body), "status"
            )
        except ConflictError:
            report.stale = True
        except NotFoundError:
            self._store.forget(patch.kind, namespace, patch.name, patch.uid)
        except ClusterError as error:
            report.failures.append((patch, error))
        else:
            self._store.upsert(patch.kind, DECODERS[patch.kind](answer), Source.STATUS)
            report.done["Status", patch.kind] += 1


def _with_metadata(body: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return body | {"metadata": body.get("metadata", {}) | fields}


class _AnswerJson(msgspec.Struct):
    kind: str = ""


_TRANSIENT: Final = (404, 408, 409, 429)


def refusal(report: Report) -> str:
    """What the API server will not take as it stands; trying again would not help by itself."""
    for action, error in report.failures:
        foreign = isinstance(error, ForeignObjectError)
        if foreign or (400 <= error.status < 500 and error.status not in _TRANSIENT):
            return f"{action.kind} {action.name}: {error.message}"
    return ""


def _unseen(action: Create, owner_uid: str) -> tuple[str, Kind, str]:
    """What an object that may not be read is remembered by; beside a new object it is new too."""
    return action.beside or owner_uid, action.kind, action.name


def describe(action: Action | StatusPatch, error: ClusterError) -> tuple[str, str]:
    """Code and text of a failure for `status.lastErrors`, in Grove's form."""
    verb = {Create: "CREATE", Patch: "SYNC", Delete: "DELETE", StatusPatch: "UPDATE"}[type(action)]
    code = f"ERR_{verb}_{action.kind.upper()}"
    if isinstance(action, Create):
        code = DEVICE_CODES.get((action.kind, action.owner.kind), code)
    text = f"[Operation: Sync, Code: {code}] message: {action.kind} {action.name}: {error.message}"
    return code, text
