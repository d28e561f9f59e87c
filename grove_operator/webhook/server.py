"""The HTTPS edge of admission: from a request's bytes to Kopf's admission function and back.

Owns paths, limits of size and depth, time, and the HTTP answers. Refuses to judge objects: that is
what Kopf's handlers are for. A review that cannot be read is answered by 4xx with the reason;
everything that can be read gets an AdmissionReview. Bodies are never logged.
"""

import asyncio
import logging
import ssl
import time
from collections.abc import Awaitable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol, Self

import msgspec
from aiohttp import web

from grove_operator import metrics
from grove_operator.process.probes import Address

_LOG = logging.getLogger(__name__)
_LARGEST: Final = 16 * 2**20
"""Bytes of a review: an object and its predecessor of 3 MB each, which is the API server's limit,
may grow a little in its JSON."""
_DEEPEST: Final = 128
"""Levels of nesting. The API server's own objects stay far below; parsers overflow far above."""
_NESTING: Final = frozenset({dict, list})
"""The types that a parser of JSON makes of what holds more, exactly."""
_PATIENCE: Final = 9.0
"""Seconds for one review; the registered time-out is 10."""
_OUR_FAULT: Final = 500
_API_VERSION: Final = "admission.k8s.io/v1"
_REASONS: Final[Mapping[int, str]] = {
    400: "BadRequest",
    403: "Forbidden",
    422: "Invalid",
    500: "InternalError",
    504: "Timeout",
}
_OPERATIONS: Final = frozenset({"CREATE", "UPDATE", "DELETE", "CONNECT"})

Review = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Webhook:
    """One path: the handler's id in Kopf, and what it reviews."""

    path: str
    handler: str
    reviews: frozenset[tuple[str, str, str]]
    """Group, version and plural."""


class AdmissionFn(Protocol):
    """Kopf's function for admission: takes a review, gives the review with its response.

    It belongs to no loop, so it is awaited in the server's: to hop to Kopf's thread and back would
    take most of a review's time on a busy machine.
    """

    def __call__(self, request: Any, *, webhook: str | None = None) -> Awaitable[Any]: ...


class UnreadableError(Exception):
    """The request is no review; `status` is the HTTP code."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Server:
    """Answers on the paths of `webhooks`, while Kopf has offered its function."""

    def __init__(self, webhooks: Iterable[Webhook]) -> None:
        self._webhooks = tuple(webhooks)
        self._runner: web.AppRunner | None = None
        self._offers: list[AdmissionFn] = []
        self.port = 0

    def offer(self, function: AdmissionFn) -> None:
        self._offers.append(function)

    def withdraw(self, function: AdmissionFn) -> None:
        self._offers.remove(function)

    def problem(self) -> str | None:
        """For the readiness probe."""
        if self._runner is None:
            return "does not listen yet"
        return None if self._offers else "admission handlers are not ready"

    async def start(self, address: Address, context: ssl.SSLContext) -> None:
        app = web.Application(client_max_size=_LARGEST)
        for webhook in self._webhooks:
            app.router.add_post(webhook.path, _Endpoint(self, webhook).handle)
        runner = web.AppRunner(
            app, access_log=None, handle_signals=False, shutdown_timeout=_PATIENCE
        )
        await runner.setup()
        site = web.TCPSite(
            runner, address.host or None, address.port, ssl_context=context, backlog=1024
        )
        await site.start()
        self._runner = runner
        self.port = runner.addresses[0][1]
        _LOG.info("listening", extra={"what": "webhooks", "port": self.port})

    async def close(self) -> None:
        """Stop accepting, and let reviews that are under way end."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def review(self, review: Review, webhook: str, seconds: float) -> Review:
        """Ask the latest Kopf. Without one the caller answers 503."""
        async with asyncio.timeout(seconds):
            answer: Review = await self._offers[-1](review, webhook=webhook)
            return answer

    @property
    def awake(self) -> bool:
        return bool(self._offers)


class _Endpoint:
    """One path."""

    def __init__(self, server: Server, webhook: Webhook) -> None:
        self._server = server
        self._webhook = webhook
        self._id = webhook.handler

    async def handle(self, request: web.Request) -> web.Response:
        started = time.perf_counter()
        operation, outcome = "unknown", "unreadable"
        try:
            if not self._server.awake:
                outcome = "unavailable"
                return _plain(503, "admission is starting, try again")
            review = await _read(request)
            operation = review["request"]["operation"]
            answer = await self._answer(review)
            outcome = _outcome(answer["response"])
            return web.json_response(answer)
        except UnreadableError as error:
            return _plain(error.status, str(error))
        finally:
            seconds = time.perf_counter() - started
            metrics.count_review(self._id, operation, outcome, seconds)

    async def _answer(self, review: Review) -> Review:
        """Kopf's answer, completed; a bug or a lack of time is a refusal that says so."""
        try:
            problem = self._misdirected(review["request"]) or _object_problem(review["request"])
            if problem is not None:
                return _denial(review, 400, problem)
            answer = await self._server.review(_for_kopf(review), self._id, _PATIENCE)
        except TimeoutError:
            _LOG.warning("a review took too long", extra={"webhook": self._id})
            return _denial(review, 504, "the check took too long, please try again")
        except Exception as error:  # noqa: BLE001 - whatever it is, the user gets an answer
            # Without the text: it may quote the object.
            _LOG.error(
                "a review failed, this is a bug",
                extra={"webhook": self._id, "error": type(error).__name__},
            )
            return _denial(review, 500, "internal error of the webhook, see its log")
        status = answer["response"].get("status")
        if status is not None:
            status.setdefault("reason", _REASONS.get(status.get("code", 0), "Unknown"))
        return answer

    def _misdirected(self, request: Mapping[str, Any]) -> str | None:
        """Kopf allows what it has no handler for, so that is refused here."""
        found = request["resource"]
        if (found["group"], found["version"], found["resource"]) in self._webhook.reviews:
            return None
        known = ", ".join(sorted("/".join(filter(None, kind)) for kind in self._webhook.reviews))
        return f"this webhook reviews {known}; its registration is wrong"


async def _read(request: web.Request) -> Review:
    if request.content_type != "application/json":
        raise UnreadableError(415, "the content type must be application/json")
    try:
        body = await request.read()
    except web.HTTPRequestEntityTooLarge as error:
        raise UnreadableError(413, f"a review may have at most {_LARGEST} bytes") from error
    return parse_review(body)


def parse_review(body: bytes) -> Review:
    """Read an AdmissionReview of version v1. Raises UnreadableError."""
    try:
        # Stricter than Python's own: no NaN, and no halves of surrogate pairs, which nobody can
        # write down again.
        review = msgspec.json.decode(body)
        too_deep = _depth_exceeds(review, _DEEPEST)
    except RecursionError:
        too_deep = True
    except ValueError as error:  # not JSON, not UTF-8, or a number beyond all
        raise UnreadableError(400, "the body is not JSON") from error
    if too_deep:
        raise UnreadableError(400, f"the body is nested deeper than {_DEEPEST} levels")
    if not isinstance(review, dict) or review.get("kind") != "AdmissionReview":
        raise UnreadableError(400, "the body must be an AdmissionReview")
    if review.get("apiVersion") != _API_VERSION:
        raise UnreadableError(400, f"the apiVersion must be {_API_VERSION}")
    request = review.get("request")
    if not isinstance(request, dict):
        raise UnreadableError(400, "request must be an object")
    if not isinstance(request.get("uid"), str) or not request["uid"]:
        raise UnreadableError(400, "request.uid must be a text")
    if str(request.get("operation")) not in _OPERATIONS:
        raise UnreadableError(400, f"request.operation must be one of {sorted(_OPERATIONS)}")
    if not _is_resource(request.get("resource")):
        raise UnreadableError(400, "request.resource must have group, version and resource")
    user = request.get("userInfo")
    if not isinstance(user, dict) or not isinstance(user.get("username", ""), str):
        raise UnreadableError(400, "request.userInfo must be an object with username")
    return review


def _is_resource(value: object) -> bool:
    return isinstance(value, dict) and all(
        isinstance(value.get(key), str) for key in ("group", "version", "resource")
    )


def _depth_exceeds(value: Any, limit: int) -> bool:
    """Without recursion, level by level."""
    level = [value] if type(value) in _NESTING else []
    for _ in range(limit):
        level = [
            child
            for item in level
            for child in (item.values() if type(item) is dict else item)
            if type(child) in _NESTING
        ]
        if not level:
            return False
    return True


def _object_problem(request: Mapping[str, Any]) -> str | None:
    """What Kopf and our handlers take for granted of the objects in a review."""
    given = [key for key in ("object", "oldObject") if request.get(key) is not None]
    if not given:
        return "request: has neither an object nor an old object"
    for key in given:
        item = request[key]
        if not isinstance(item, dict):
            return f"{key}: must be an object"
        if not isinstance(item.get("metadata", {}), dict):
            return f"{key}.metadata: must be an object"
    return None


class _Shared(dict[str, Any]):
    """A part of an object that nobody changes in place, so that one is enough for all.

    Kopf copies each object in depth before it asks whether there is a patch: that was half of a
    review's time, and most of its garbage.
    """

    def __deepcopy__(self, memo: object) -> Self:
        return self


def _for_kopf(review: Review) -> Review:
    """The review as Kopf can take it without doing in vain what it does for controllers.

    The objects' UIDs are left out, by which it would remember each for ever.
    """
    request = dict(review["request"])
    for key in ("object", "oldObject"):
        if item := request.get(key):
            request[key] = {
                name: _Shared(part) if isinstance(part, dict) else part
                for name, part in item.items()
            }
            request[key].get("metadata", {}).pop("uid", None)
    return review | {"request": request}


def _outcome(response: Mapping[str, Any]) -> str:
    if response["allowed"]:
        return "allowed"
    return "failed" if response["status"].get("code", 0) >= _OUR_FAULT else "denied"


def _denial(review: Review, code: int, message: str) -> Review:
    return {
        "apiVersion": _API_VERSION,
        "kind": "AdmissionReview",
        "response": {
            "uid": review["request"]["uid"],
            "allowed": False,
            "status": {"code": code, "reason": _REASONS[code], "message": message},
        },
    }


def _plain(status: int, text: str) -> web.Response:
    return web.Response(status=status, text=text + "\n")
