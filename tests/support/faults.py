"""What the fault proxy can do to a request or to a watch, as values.

Request faults happen before (or, for LoseAnswer, after) the API server sees the request; event
faults happen inside open watches. A Rule says to which of them a fault applies.
"""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.support.kubepath import KubeRequest

REASONS = {
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    409: "Conflict",
    410: "Expired",
    422: "Invalid",
    429: "TooManyRequests",
    500: "InternalError",
    503: "ServiceUnavailable",
    504: "Timeout",
}


@dataclass(frozen=True)
class Answer:
    """Answer with this status instead of asking the API server.

    410 on `list` is an expired continue token, on `watch` an expired resource version.
    """

    status: int
    retry_after: int | None = None
    message: str = "fault injected by a test"

    def status_object(self) -> dict[str, object]:
        body: dict[str, object] = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "reason": REASONS.get(self.status, "Unknown"),
            "message": self.message,
            "code": self.status,
        }
        if self.retry_after is not None:
            body["details"] = {"retryAfterSeconds": self.retry_after}
        return body


@dataclass(frozen=True)
class Delay:
    """Wait before forwarding, between the two limits."""

    seconds: float
    up_to: float | None = None

    def pick(self, rng: random.Random) -> float:
        return self.seconds if self.up_to is None else rng.uniform(self.seconds, self.up_to)


@dataclass(frozen=True)
class Hang:
    """Never answer and never forward; when the fault ends, the connection is reset."""


@dataclass(frozen=True)
class Reset:
    """Reset the connection instead of forwarding: the request did not happen."""


@dataclass(frozen=True)
class LoseAnswer:
    """Forward, then reset the connection: the write happened and the client cannot know."""


RequestFault = Answer | Delay | Hang | Reset | LoseAnswer


@dataclass(frozen=True)
class Event:
    """One watch event as far as faults look at it. Bookmarks and errors have no name."""

    type: str
    namespace: str
    name: str
    uid: str
    resource_version: str
    raw: bytes

    @property
    def concerns_object(self) -> bool:
        return self.type in {"ADDED", "MODIFIED", "DELETED"}


Predicate = Callable[[Event], bool]


class EventFault:
    """Base of what happens inside a watch. Bookmarks and errors always pass untouched."""


@dataclass(frozen=True)
class DropEvents(EventFault):
    """Lose each nth event, or those that the predicate picks."""

    every: int = 1
    where: Predicate | None = None


@dataclass(frozen=True)
class RepeatEvents(EventFault):
    """Deliver each nth event (or the picked ones) `copies` more times."""

    every: int = 1
    copies: int = 1
    where: Predicate | None = None


@dataclass(frozen=True)
class DelayEvents(EventFault):
    """Deliver events later, in their order."""

    seconds: float
    where: Predicate | None = None


@dataclass(frozen=True)
class ReorderEvents(EventFault):
    """Hold back up to `window` events or `seconds`, and deliver them shuffled.

    With `within_object` False the events of one object keep their order; True is harsher than
    any API server and shows who trusts the order of arrival.
    """

    window: int = 16
    seconds: float = 0.2
    within_object: bool = False


@dataclass
class Rule:
    """A fault and what it applies to."""

    fault: RequestFault | EventFault
    verbs: frozenset[str] | None = None
    resources: frozenset[str] | None = None
    probability: float = 1.0
    times: int | None = None
    hits: int = 0
    """Requests or events that the fault was applied to."""
    seen: int = 0
    """Events that it looked at: the n of "each nth" runs across all watches."""
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    def covers(self, request: KubeRequest) -> bool:
        used_up = self.times is not None and self.hits >= self.times
        return not used_up and (self.resources is None or request.resource in self.resources)

    def hit(self, request: KubeRequest, rng: random.Random) -> bool:
        """Whether it applies to this request, counted. The dice roll only for what matches."""
        if not self.covers(request) or (self.verbs is not None and request.verb not in self.verbs):
            return False
        if self.probability < 1.0 and rng.random() >= self.probability:
            return False
        self.hits += 1
        return True
