"""The ledger of what the operator asked for tells its requests from all others."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.support.privileges import USER, WEBHOOK_USER, Ledger


def _entry(
    verb: str, user: str = USER, decision: str = "allow", received: str = "", **reference: str
) -> str:
    entry: dict[str, Any] = {
        "verb": verb,
        "user": {"username": user},
        "requestURI": "/somewhere",
        "objectRef": reference or None,
        "annotations": {"authorization.k8s.io/decision": decision},
    }
    if received:
        entry["requestReceivedTimestamp"] = received
    return json.dumps(entry) + "\n"


def test_uses_and_refusals_are_noted(tmp_path: Path) -> None:
    log = tmp_path / "audit.log"
    status = {"apiGroup": "grove.io", "resource": "podcliques", "subresource": "status"}
    log.write_text(
        _entry("create", resource="pods")
        + _entry("create", resource="pods")
        + _entry("patch", **status)
        + _entry("get", WEBHOOK_USER, resource="secrets")
        + _entry("list", "somebody", "forbid", resource="secrets")
        + _entry("get")
        + '{"verb": "cut o'
    )
    (tmp_path / "audit-2026-01-01T00-00-00.000.log").write_text(
        _entry("list", decision="forbid", resource="secrets")
    )
    ledger = Ledger()
    ledger.read(log)
    assert ledger.used[WEBHOOK_USER] == {("get", "", "secrets"): 1}
    assert ledger.used[USER] == {
        ("create", "", "pods"): 2,
        ("patch", "grove.io", "podcliques/status"): 1,
        ("list", "", "secrets"): 1,
    }
    assert [text.split() for text in ledger.forbidden] == [[f"{USER}:", "list", "/somewhere"]]


def test_refusals_of_an_api_server_that_starts_mean_nothing(tmp_path: Path) -> None:
    log = tmp_path / "audit.log"
    ledger = Ledger()
    moments = [datetime.now(UTC)]
    with ledger.starting():
        moments.append(datetime.now(UTC))
    moments.append(datetime.now(UTC) + timedelta(seconds=1))
    times = [f"{moment:%Y-%m-%dT%H:%M:%S.%f}Z" for moment in moments]
    verbs = ("get", "list", "watch")
    log.write_text(
        "".join(
            _entry(verb, WEBHOOK_USER, "forbid", time)
            for verb, time in zip(verbs, times, strict=True)
        )
    )
    ledger.read(log)
    assert [text.split()[1] for text in ledger.forbidden] == ["get", "watch"]
