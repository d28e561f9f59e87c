"""Turns a refused request into one of the classes of `errors.py`.

Owns the reading of the API's Status body and of Retry-After. Refuses to decide what happens next.
Called by `connection.py` and, for errors inside a watch, by `informer.py`.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from grove_operator.errors import (
    AlreadyExistsError,
    ClusterError,
    ConflictError,
    ForbiddenError,
    GoneError,
    InvalidError,
    NamespaceEndsError,
    NotFoundError,
    UnavailableError,
)

_MESSAGE_LIMIT: Final = 1000
"""A webhook may answer with pages of text; logs and conditions get the beginning."""


class _Cause(msgspec.Struct):
    reason: str = ""
    field: str = ""
    message: str = ""


class _Details(msgspec.Struct):
    retry_after: float | None = msgspec.field(default=None, name="retryAfterSeconds")
    causes: list[_Cause] = []


class Status(msgspec.Struct):
    """The part of a `v1.Status` that says what went wrong."""

    code: int = 0
    reason: str = ""
    message: str = ""
    details: _Details | None = None


_NAMESPACE_ENDS: Final = "NamespaceTerminating"
_DECODER: Final = msgspec.json.Decoder(Status, strict=False)
_BY_CODE: Final[Mapping[int, type[ClusterError]]] = {
    400: InvalidError,
    401: ForbiddenError,
    403: ForbiddenError,
    404: NotFoundError,
    409: ConflictError,
    410: GoneError,
    413: InvalidError,
    415: InvalidError,
    422: InvalidError,
}


def decode_status(payload: bytes | msgspec.Raw) -> Status:
    """Read a Status; what is not one (a proxy's error page) becomes its message."""
    try:
        return _DECODER.decode(payload)
    except msgspec.MsgspecError:
        text = bytes(payload).decode("utf-8", "replace")
        return Status(message=text[:_MESSAGE_LIMIT].strip())


def failure(
    what: str, code: int, payload: bytes | msgspec.Raw, retry_after: str | None = None
) -> ClusterError:
    """Build the error for an HTTP `code`; `retry_after` is the header of that name."""
    status = decode_status(payload)
    message = status.message[:_MESSAGE_LIMIT] or "no message"
    reason = status.reason or "Unknown"
    if code in {408, 429} or code >= 500:
        return UnavailableError(what, code, reason, message, _seconds(status, retry_after))
    if code == 409 and reason == "AlreadyExists":
        return AlreadyExistsError(what, code, reason, message)
    causes = status.details.causes if status.details else []
    if code == 403 and any(cause.reason == _NAMESPACE_ENDS for cause in causes):
        return NamespaceEndsError(what, code, reason, message)
    error = _BY_CODE.get(code, ClusterError)(what, code, reason, message)
    if isinstance(error, InvalidError):
        error.causes = tuple((cause.field, cause.message) for cause in causes)
    return error


def _seconds(status: Status, header: str | None) -> float | None:
    if header is not None:
        try:
            return max(0.0, float(header))
        except ValueError:
            return None  # the HTTP-date form; the API server never sends it
    return status.details.retry_after if status.details else None
