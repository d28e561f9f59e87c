"""Leader election on a Lease: one process acts, the others stand by with warm caches.

Owns the lease object: acquiring, renewing, releasing it by compare-and-swap. Time is measured here
by the local monotonic clock only; the times inside the Lease are for people. Refuses to stop
anything itself: losing raises LostLeadershipError, and the supervisor ends the process at once.
"""

import asyncio
import logging
import math
import random
import socket
import time
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec

from grove_operator import metrics
from grove_operator.cluster.connection import Api
from grove_operator.cluster.resources import LEASES
from grove_operator.errors import (
    AlreadyExistsError,
    ClusterError,
    ConflictError,
    LostLeadershipError,
    NotFoundError,
)

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LeaseOptions:
    """Times in seconds, named as in client-go.

    A leader that cannot renew for `renew_deadline` gives up; others wait `duration` without news
    before they take over.
    """

    name: str
    namespace: str
    duration: float = 15.0
    renew_deadline: float = 10.0
    retry_period: float = 2.0


@dataclass(frozen=True, slots=True)
class _Observed:
    """What the lease said, and since when by our clock it has said so."""

    record: tuple[Any, ...]
    since: float


def new_identity() -> str:
    return f"{socket.gethostname()}_{uuid.uuid4()}"


class Elector:
    """`run` acquires, sets `leading`, renews until released, and raises when the lease is lost."""

    def __init__(
        self,
        api: Api,
        options: LeaseOptions,
        identity: str | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._api = api
        self._options = options
        self.identity = identity or new_identity()
        self.leading = asyncio.Event()
        self._clock = clock
        self._sleep = sleep
        self._lease: dict[str, Any] | None = None
        self._observed: _Observed | None = None
        self._renewed = -math.inf
        self._trouble: str | None = None
        self._one_at_a_time = asyncio.Lock()
        metrics.set_leader(False)

    def holds(self) -> bool:
        """Tell whether a write may still be sent; false also after a long stop of the process."""
        return self.leading.is_set() and self._clock() - self._renewed < self._options.duration

    async def run(self) -> None:
        await self._acquire()
        _LOG.info("leading", extra={"identity": self.identity, "lease": self._options.name})
        metrics.set_leader(True)
        metrics.count_leader_transition()
        self.leading.set()
        try:
            await self._renew()
        except LostLeadershipError:
            self.leading.clear()
            metrics.set_leader(False)
            metrics.count_leader_transition()
            raise

    async def release(self) -> None:
        """Give the lease back so that another process takes over at its next look."""
        if not self.leading.is_set() or self._lease is None:
            return
        self.leading.clear()
        metrics.set_leader(False)
        metrics.count_leader_transition()
        try:
            async with self._one_at_a_time:  # a renewal may be on its way
                await self._let_go()
        except ClusterError as error:
            _LOG.warning("lease is not released, it runs out", extra={"error": str(error)})
        else:
            _LOG.info("lease released", extra={"lease": self._options.name})

    async def _let_go(self) -> None:
        for _ in range(2):
            try:
                if self._lease is not None:
                    await self._write("", duration=1.0)
            except ConflictError:  # a renewal was cut off on its way, yet arrived: look again
                await self._look()
                if self._holder() != self.identity:
                    return
            else:
                return

    async def _acquire(self) -> None:
        while not await self._try():
            await self._sleep(self._until_next_look())

    async def _renew(self) -> None:
        while True:
            await self._sleep(min(self._options.retry_period, max(0.0, self._left())))
            async with self._one_at_a_time:
                if not self.leading.is_set():
                    return  # released
                renewed = await self._try()
            if renewed:
                continue
            if self._holder() not in {self.identity, None}:
                raise LostLeadershipError(f"{self._holder()} holds the lease now")
            if self._left() <= 0:
                raise LostLeadershipError(
                    f"the lease was not renewed for {self._options.renew_deadline:g} s: "
                    f"{self._trouble or 'no answer'}"
                )

    async def _try(self) -> bool:
        """Acquire or renew once. A refusal is noted, never raised."""
        try:
            await self._look_and_write()
        except (ConflictError, AlreadyExistsError):
            self._lease = None  # somebody else was faster: look again
            return False
        except ClusterError as error:
            self._note(error)
            return False
        if self._trouble:
            _LOG.info("lease is reachable again")
            self._trouble = None
        return self._holder() == self.identity

    async def _look_and_write(self) -> None:
        started = self._clock()
        if self._lease is None or self._holder() != self.identity:
            await self._look()
        if self._lease is None:
            await self._create()
        elif self._may_take():
            try:
                await self._write(self.identity, self._options.duration)
            except NotFoundError:  # deleted by somebody: make it again at the next look
                self._lease = None
                raise
        else:
            return
        # Counted from before the request: the API server may have seen it as early as that.
        self._renewed = started

    async def _look(self) -> None:
        try:
            payload = await self._request("get", name=self._options.name)
        except NotFoundError:
            self._lease = None
            return
        self._lease = msgspec.json.decode(payload, type=dict[str, Any])
        record = self._record()
        if self._observed is None or self._observed.record != record:
            self._observed = _Observed(record, self._clock())

    def _may_take(self) -> bool:
        holder = self._holder()
        return holder in {self.identity, ""} or self._expires_in() <= 0

    def _expires_in(self) -> float:
        """Seconds until a silent holder counts as dead, measured from when *we* saw the change."""
        if self._observed is None or self._lease is None:
            return math.inf
        # A holder that promised a longer time than our own setting is given it.
        promised = self._spec().get("leaseDurationSeconds") or 0
        patience = max(float(promised), self._options.duration)
        return self._observed.since + patience - self._clock()

    def _until_next_look(self) -> float:
        period = self._options.retry_period * random.uniform(0.9, 1.1)  # noqa: S311 - no secret
        expires_in = self._expires_in()
        return min(period, expires_in) if expires_in > 0 else period

    def _left(self) -> float:
        return self._renewed + self._options.renew_deadline - self._clock()

    async def _create(self) -> None:
        body = {
            "apiVersion": LEASES.api_version,
            "kind": LEASES.kind,
            "metadata": {"name": self._options.name, "namespace": self._options.namespace},
            "spec": self._new_spec({}, self.identity, self._options.duration),
        }
        payload = await self._request("create", body=msgspec.json.encode(body))
        self._lease = msgspec.json.decode(payload, type=dict[str, Any])

    async def _write(self, holder: str, duration: float) -> None:
        """PUT with the resourceVersion that we read: the API server lets only one writer win."""
        assert self._lease is not None
        body = self._lease | {"spec": self._new_spec(self._spec(), holder, duration)}
        payload = await self._request(
            "update", name=self._options.name, body=msgspec.json.encode(body)
        )
        self._lease = msgspec.json.decode(payload, type=dict[str, Any])

    def _new_spec(self, old: dict[str, Any], holder: str, duration: float) -> dict[str, Any]:
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        spec = old | {
            "holderIdentity": holder,
            "leaseDurationSeconds": max(1, math.ceil(duration)),
            "renewTime": now,
        }
        if holder and old.get("holderIdentity") != holder:
            spec["acquireTime"] = now
            spec["leaseTransitions"] = (old.get("leaseTransitions") or 0) + 1 if old else 0
        return spec

    async def _request(
        self, verb: Any, *, name: str | None = None, body: bytes | None = None
    ) -> bytes:
        # Its own time-out per try, no tries inside the client, and no waiting behind other
        # requests: a renewal that is late is worth nothing.
        limit = self._options.renew_deadline / 3
        if self.leading.is_set():
            limit = min(limit, max(0.05, self._left()))
        return await self._api.request(
            verb,
            LEASES,
            namespace=self._options.namespace,
            name=name,
            body=body,
            timeout=limit,
            tries=1,
            urgent=True,
        )

    def _spec(self) -> dict[str, Any]:
        spec = (self._lease or {}).get("spec")
        return spec if isinstance(spec, dict) else {}

    def _holder(self) -> str | None:
        """The holder as last read; "" after a release, None when the lease is not known."""
        return None if self._lease is None else str(self._spec().get("holderIdentity") or "")

    def _record(self) -> tuple[Any, ...]:
        spec = self._spec()
        return tuple(
            spec.get(key)
            for key in ("holderIdentity", "renewTime", "acquireTime", "leaseTransitions")
        )

    def _note(self, error: ClusterError) -> None:
        text = str(error)
        if text != self._trouble:
            self._trouble = text
            _LOG.warning("lease cannot be reached", extra={"error": text})
