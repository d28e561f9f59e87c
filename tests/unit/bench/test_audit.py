import json
from pathlib import Path

import pytest

from bench.audit import AuditLog


def entry(verb: str, resource: str, agent: str, code: int = 201, subresource: str = "") -> str:
    reference = {"resource": resource, "subresource": subresource}
    body = {
        "verb": verb,
        "userAgent": agent,
        "objectRef": reference,
        "responseStatus": {"code": code},
    }
    return json.dumps(body) + "\n"


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "audit.log"
    path.write_text("")
    return path


def append(log: Path, *lines: str) -> None:
    with log.open("a") as out:
        out.writelines(lines)


def test_counts_the_operator_by_verb_and_resource(log: Path) -> None:
    append(
        log,
        entry("create", "pods", "grove-operator/0.1"),
        entry("create", "pods", "grove-bench"),
        entry("patch", "podcliques", "grove-operator/0.1", 200, "status"),
        entry("create", "events", "kopf/1.45"),
        entry("update", "leases", "grove-operator/0.1", 200),
        entry("patch", "pods", "kube-scheduler/v1.37", 200, "status"),
    )
    assert AuditLog(log).operator_writes() == {
        ("create", "pods"): 1,
        ("patch", "podcliques/status"): 1,
        ("create", "events"): 1,
    }


def test_each_look_starts_where_the_last_one_ended(log: Path) -> None:
    audit = AuditLog(log)
    append(log, entry("create", "pods", "grove-operator/0.1"))
    audit.skip()
    half = entry("delete", "pods", "grove-operator/0.1")
    append(log, entry("patch", "pods", "grove-operator/0.1"), half[:20])
    assert audit.operator_writes() == {("patch", "pods"): 1}, "half a line is left for later"
    append(log, half[20:])
    assert audit.operator_writes() == {("delete", "pods"): 1}


def test_a_log_that_was_set_aside_is_read_to_its_end(log: Path) -> None:
    audit = AuditLog(log)
    append(log, *[entry("create", "pods", "grove-operator/0.1")] * 3)
    audit.operator_writes()
    append(log, entry("patch", "pods", "grove-operator/0.1"))
    log.rename(log.with_name(f"{log.stem}-2026-01-01T00-00-00.000{log.suffix}"))
    append(log, entry("delete", "pods", "grove-operator/0.1"))
    assert audit.operator_writes() == {("patch", "pods"): 1, ("delete", "pods"): 1}
    append(log, entry("create", "services", "grove-operator/0.1"))
    assert audit.operator_writes() == {("create", "services"): 1}


def test_refusals_are_counted_twice(log: Path) -> None:
    audit = AuditLog(log)
    append(log, entry("patch", "pods", "grove-operator/0.1", 409))
    assert audit.operator_writes() == {("patch", "pods"): 1}
    assert audit.refused == {("patch", "pods"): 1}
