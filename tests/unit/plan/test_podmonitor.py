"""When a set's PodMonitor is made, mended and removed, and what users are told of it."""

from dataclasses import replace
from typing import Any

import pytest

from grove_operator.api import conditions as c
from grove_operator.api import labels
from grove_operator.desired.podmonitor import build_monitor
from grove_operator.observed import Child, Kind, SetSnapshot
from grove_operator.plan.actions import Action, Create, Delete, Patch, Plan
from grove_operator.plan.podcliqueset import SetFacts, plan_set
from tests.support.builders import NATIVE, NOW, SetBuilder, a_meta, a_set

SERVED = replace(NATIVE, pod_monitors=True)
PORTS = [{"name": "metrics", "containerPort": 9000}]
POD_SPEC = {"containers": [{"name": "app", "image": "i", "ports": PORTS}]}
ASKING = a_set(annotations={labels.POD_MONITOR: "true"}).with_clique("w", pod_spec=POD_SPEC)


def plan(builder: SetBuilder, existing: Child | None = None, offered: Any = SERVED) -> Plan:
    children = {Kind.POD_MONITOR: {"tide": existing}} if existing else {}
    record = Child(meta=a_meta("tide", finalizers=(labels.SET_FINALIZER,)))
    seen = SetSnapshot(children, {})
    return plan_set(builder.blueprint(), record, seen, SetFacts(offered, NOW))


def monitor_actions(found: Plan) -> list[Action]:
    return [action for action in found.actions if action.kind is Kind.POD_MONITOR]


def the_monitor(**endpoint: Any) -> Child:
    """As stored; a server fills in defaults."""
    body = build_monitor(ASKING.blueprint())
    assert body is not None
    spec = body["spec"]
    first = spec["podMetricsEndpoints"][0] | {"scheme": "http"} | endpoint
    meta = a_meta("tide", labels=body["metadata"]["labels"], owner_uid=ASKING.uid)
    return Child(meta=meta, body={"spec": spec | {"podMetricsEndpoints": [first]}})


def told(found: Plan) -> tuple[str, str, str] | None:
    [patch] = found.statuses
    condition = c.find(patch.body["status"]["conditions"], c.POD_MONITORED)
    if condition is None:
        return None
    return condition["status"], condition["reason"], condition["message"]


def test_it_is_made_once() -> None:
    [made] = monitor_actions(plan(ASKING))
    assert isinstance(made, Create)
    assert made.owner.kind is Kind.SET
    assert monitor_actions(plan(ASKING, the_monitor())) == []


def test_a_changed_one_is_mended() -> None:
    [mended] = monitor_actions(plan(ASKING, the_monitor(path="/elsewhere")))
    assert isinstance(mended, Patch)
    assert mended.why == "spec.podMetricsEndpoints"


def test_it_goes_when_it_is_not_asked_for_any_more() -> None:
    [gone] = monitor_actions(plan(ASKING.but(annotations={}), the_monitor()))
    assert isinstance(gone, Delete)


def test_nothing_is_tried_where_the_api_is_not_served() -> None:
    assert monitor_actions(plan(ASKING, offered=NATIVE)) == []


def test_a_set_that_asks_for_none_is_told_nothing() -> None:
    assert told(plan(ASKING.but(annotations={}))) is None


@pytest.mark.parametrize(
    ("builder", "offered", "status", "reason", "says"),
    [
        (ASKING, SERVED, "True", "PodMonitorMade", "selects the pods"),
        (ASKING, NATIVE, "False", "PodMonitorsUnavailable", "monitoring.coreos.com"),
        (
            a_set(annotations={labels.POD_MONITOR: "true"}).with_clique("w"),
            SERVED,
            "False",
            "NoMetricsPort",
            labels.POD_MONITOR_PORT,
        ),
        (ASKING.with_clique("mute"), SERVED, "True", "PodMonitorMade", "to scrape: mute"),
    ],
    ids=["made", "not served", "no port", "a clique without a port"],
)
def test_users_are_told(
    builder: SetBuilder, offered: Any, status: str, reason: str, says: str
) -> None:
    found = told(plan(builder, offered=offered))
    assert found is not None
    assert found[:2] == (status, reason)
    assert says in found[2]
