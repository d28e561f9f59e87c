"""Tells users what happened, as Kubernetes Events.

An Event is a courtesy: it is never waited for, a lost one is lost, and the same one is not sent
twice within ten minutes. A flood of them is cut rather than queued: of one reason, an object has 25
at once and then one in five minutes, the budget that Kubernetes' own components give to an object.
"""

import asyncio
import hashlib
import logging
import time
from collections.abc import Callable
from typing import Any, Final

import msgspec

from grove_operator.api import labels
from grove_operator.cluster import resources
from grove_operator.cluster.applier import RESOURCES
from grove_operator.cluster.connection import Api
from grove_operator.errors import ClusterError
from grove_operator.plan.actions import Event

_LOG = logging.getLogger(__name__)
_SILENCE: Final = 600.0
_BACKLOG: Final = 256
_BURST: Final = 25
_REFILL: Final = 300.0
"""Seconds after which an object may have one more event of a reason."""
_REMEMBERED: Final = 4 * _BACKLOG
_MESSAGE: Final = 1024
_HOMELESS: Final = "default"
"""Where events of objects without a namespace stand, as of Kubernetes' own."""


class Recorder:
    """`record` only notes; `run` sends, one at a time."""

    def __init__(self, api: Api, now: Callable[[], str]) -> None:
        self._api = api
        self._now = now
        self._queue: asyncio.Queue[tuple[str, Event]] = asyncio.Queue(_BACKLOG)
        self._sent: dict[tuple[str, str, str], float] = {}
        """By object, reason and message: until when it need not be told again."""
        self._full: dict[tuple[str, str], float] = {}
        """By object and reason: when its budget is whole again."""
        self._limit = 2 * _REMEMBERED

    def record(self, namespace: str, event: Event) -> None:
        """`namespace` is empty for an object that is in none."""
        moment = time.monotonic()
        told, budget = (event.uid, event.reason, event.message), (event.uid, event.reason)
        full = max(self._full.get(budget, moment), moment) + _REFILL
        if moment < self._sent.get(told, moment) or full - moment > _BURST * _REFILL:
            return
        try:
            self._queue.put_nowait((namespace, event))
        except asyncio.QueueFull:
            _LOG.debug("event dropped", extra={"reason": event.reason, "object": event.name})
            return
        self._sent[told] = moment + _SILENCE
        self._full[budget] = full
        if len(self._sent) + len(self._full) > self._limit:
            self._sent = {key: until for key, until in self._sent.items() if until > moment}
            self._full = {key: until for key, until in self._full.items() if until > moment}
            self._limit = 2 * max(_REMEMBERED, len(self._sent) + len(self._full))

    async def run(self) -> None:
        while True:
            namespace, event = await self._queue.get()
            home = namespace or _HOMELESS
            try:
                await self._api.create(resources.EVENTS, home, self._body(namespace, event))
            except ClusterError as error:
                _LOG.debug("event not sent", extra={"error": str(error)})

    def _body(self, namespace: str, event: Event) -> bytes:
        now = self._now()
        mark = hashlib.sha256(f"{event.uid}{event.reason}{event.message}{now}".encode())
        body: dict[str, Any] = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {
                "name": f"{event.name}.{mark.hexdigest()[:16]}",
                "namespace": namespace or _HOMELESS,
            },
            "involvedObject": {
                "apiVersion": RESOURCES[event.kind].api_version,
                "kind": event.kind,
                "name": event.name,
                "namespace": namespace,
                "uid": event.uid,
            },
            "type": "Warning" if event.warning else "Normal",
            "reason": event.reason,
            "message": event.message[:_MESSAGE],
            "source": {"component": labels.MANAGER},
            "reportingComponent": labels.MANAGER,
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
        }
        return msgspec.json.encode(body)
