import io
import json
import logging
from collections.abc import Iterator

import pytest

from grove_operator.process.logs import JsonFormatter, TextFormatter, configure


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(False)


def record(**extra: object) -> logging.LogRecord:
    made = logging.makeLogRecord(
        {"name": "grove_operator.x", "levelname": "INFO", "msg": "pass %s", "args": ("done",)}
    )
    made.created = 1_790_000_000.25
    made.__dict__.update(extra)
    return made


def test_json() -> None:
    line = json.loads(JsonFormatter().format(record(key="ns/a", kind="Pod", count=3)))
    assert line == {
        "ts": "2026-09-21T14:13:20.250Z",
        "level": "info",
        "logger": "grove_operator.x",
        "msg": "pass done",
        "key": "ns/a",
        "kind": "Pod",
        "count": 3,
    }


def test_text() -> None:
    line = TextFormatter().format(record(key="ns/a"))
    assert line == "2026-09-21T14:13:20.250Z INFO    pass done key=ns/a"


def test_nothing_that_looks_like_a_credential_is_shown() -> None:
    assert json.loads(JsonFormatter().format(record(api_token="x")))["api_token"] == "(hidden)"


def test_kopf_records_name_their_object() -> None:
    reference = {"kind": "PodCliqueSet", "namespace": "ns", "name": "a"}
    line = json.loads(JsonFormatter().format(record(k8s_ref=reference, settings=object())))
    assert (line["kind"], line["key"]) == ("PodCliqueSet", "ns/a")
    assert "settings" not in line


def test_a_bug_carries_its_trace() -> None:
    stream = io.StringIO()
    configure("error", "json", stream)
    try:
        raise ZeroDivisionError("oops")  # noqa: TRY301
    except ZeroDivisionError:
        logging.getLogger("grove_operator").exception("failed")
    assert "ZeroDivisionError: oops" in json.loads(stream.getvalue())["trace"]


@pytest.mark.parametrize(
    ("level", "shown"), [("debug", {"d", "i", "e"}), ("info", {"i", "e"}), ("error", {"e"})]
)
def test_levels(level: str, shown: set[str]) -> None:
    stream = io.StringIO()
    configure(level, "text", stream)  # type: ignore[arg-type]
    logger = logging.getLogger("grove_operator.test")
    logger.debug("d")
    logger.info("i")
    logger.error("e")
    logging.getLogger("kopf.objects").info("Handler succeeded")
    assert {line.split()[2] for line in stream.getvalue().splitlines()} == shown
