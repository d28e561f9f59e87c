"""What log lines look like: one JSON object or one line of text per record.

Owns the format and the levels of foreign loggers. Refuses to log what looks like a credential.
Called once by the command line before anything else runs.
"""

import json
import logging
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import IO, Any, Final, Literal

from typing_extensions import override

_STANDARD: Final = frozenset(logging.makeLogRecord({}).__dict__)
_UNWANTED: Final = frozenset({"message", "asctime", "taskName", "k8s_skip", "k8s_ref", "settings"})
_SECRET_WORDS: Final = ("token", "password", "secret", "authorization", "credential")
_HIDDEN: Final = "(hidden)"
_FOREIGN: Final[Mapping[str, int]] = {
    "kopf": logging.WARNING,
    "kopf.objects": logging.WARNING,  # else one line per event
    "kopf._core.reactor": logging.CRITICAL,  # traces of faults that the shell reports in one line
    "aiohttp.access": logging.WARNING,
    "asyncio": logging.WARNING,
    "client": logging.WARNING,
    "kubernetes": logging.WARNING,
}


def configure(
    level: Literal["debug", "info", "error"],
    form: Literal["json", "text"],
    stream: IO[str] | None = None,
) -> None:
    """Replace all handlers of the root logger by ours."""
    handler = logging.StreamHandler(sys.stderr if stream is None else stream)
    handler.setFormatter(JsonFormatter() if form == "json" else TextFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    chosen = logging.getLevelNamesMapping()[level.upper()]
    root.setLevel(chosen)
    for name, quietest in _FOREIGN.items():
        logging.getLogger(name).setLevel(max(quietest, chosen))
    logging.captureWarnings(True)


class JsonFormatter(logging.Formatter):
    """`ts`, `level`, `logger`, `msg`, then whatever was passed as `extra`."""

    @override
    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "ts": _timestamp(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "msg": record.getMessage(),
        }
        line |= dict(_extras(record))
        if record.exc_info:
            line["trace"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


class TextFormatter(logging.Formatter):
    """The same fields for people: time, level, message, then key=value."""

    @override
    def format(self, record: logging.LogRecord) -> str:
        fields = "".join(f" {key}={value}" for key, value in _extras(record))
        line = f"{_timestamp(record)} {record.levelname:<7} {record.getMessage()}{fields}"
        if record.exc_info:
            line += "\n" + self.formatException(record.exc_info)
        return line


def _timestamp(record: logging.LogRecord) -> str:
    moment = datetime.fromtimestamp(record.created, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _extras(record: logging.LogRecord) -> Iterator[tuple[str, Any]]:
    for key, value in record.__dict__.items():
        if key in _STANDARD or key in _UNWANTED:
            continue
        yield key, _HIDDEN if any(word in key.lower() for word in _SECRET_WORDS) else value
    reference = record.__dict__.get("k8s_ref")
    if isinstance(reference, Mapping):
        yield "kind", reference.get("kind")
        yield "key", f"{reference.get('namespace') or ''}/{reference.get('name')}".lstrip("/")
