"""What belongs to a set as a whole, and its status."""

from typing import Any

import pytest

from grove_operator.api import labels
from grove_operator.observed import Child, Kind, ReplicaSummary, SetSnapshot
from grove_operator.plan.actions import Create, Patch, Plan
from grove_operator.plan.podcliqueset import SetFacts, plan_set, rejected_status
from grove_operator.scheduling.native import Capabilities
from tests.support.builders import LATER, NATIVE, NOW, PLAIN, SUMS, SetBuilder, a_meta, a_set

SET = a_set().with_clique("w")


def the_record(status: dict[str, Any] | None = None, **meta: Any) -> Child:
    given = {"finalizers": (labels.SET_FINALIZER,)} | meta
    return Child(meta=a_meta("tide", **given), status=status or {})


def plan(
    builder: SetBuilder = SET,
    record: Child | None = None,
    offered: Capabilities = NATIVE,
    now: str = NOW,
    errors: tuple[tuple[str, str], ...] = (),
    **summaries: ReplicaSummary,
) -> Plan:
    replicas = {int(name.removeprefix("r")): item for name, item in summaries.items()}
    troubled = {index: item for index, item in replicas.items() if item.problem}
    seen = SetSnapshot({}, replicas, sum(r.available for r in replicas.values()), troubled=troubled)
    return plan_set(
        builder.blueprint(), record or the_record(), seen, SetFacts(offered, now, errors)
    )


def status(found: Plan) -> dict[str, Any]:
    [patch] = found.statuses
    body: dict[str, Any] = patch.body["status"]
    return body


def test_what_a_set_gets() -> None:
    kinds = [str(action.kind) for action in plan().actions if isinstance(action, Create)]
    assert kinds == ["ServiceAccount", "Role", "RoleBinding", "Workload"]


ACCOUNTS: dict[str, tuple[list[str], dict[str, Any], list[list[str]]]] = {
    "without a token": ([], {}, [["tide-ic-sat"]]),
    "with somebody's": (["theirs"], {}, [["theirs", "tide-ic-sat"]]),
    "with ours": (["theirs", "tide-ic-sat"], {}, []),
    "that is going": ([], {"deleting": True}, []),
    "of somebody else": ([], {"owner_uid": "another"}, []),
}


@pytest.mark.parametrize(("noted", "meta", "patches"), ACCOUNTS.values(), ids=ACCOUNTS)
def test_the_token_is_made_once_its_account_is_there_and_noted_there(
    noted: list[str], meta: dict[str, Any], patches: list[list[str]]
) -> None:
    blueprint = SET.blueprint()
    account = Child(
        meta=a_meta("tide", version=7, **({"owner_uid": blueprint.uid} | meta)),
        body={"secrets": [{"name": name} for name in noted]} if noted else {},
    )
    seen = SetSnapshot({Kind.SERVICE_ACCOUNT: {"tide": account}}, {})
    actions = plan_set(blueprint, the_record(), seen, SetFacts(NATIVE, NOW)).actions
    made = [
        action for action in actions if isinstance(action, Create) and action.kind is Kind.SECRET
    ]
    sent = [action for action in actions if isinstance(action, Patch)]
    written = [patch for patch in sent if "secrets" in patch.body]
    assert [[item["name"] for item in patch.body["secrets"]] for patch in written] == patches
    assert [action.beside for action in made] == [account.meta.uid] * len(patches)
    for create, patch in zip(made, written, strict=True):
        assert create.rank < patch.rank
        assert patch.version == 7


def test_a_new_set_is_claimed_and_a_dying_one_released() -> None:
    [claim] = [
        item
        for item in plan(record=the_record(finalizers=("x",))).actions
        if isinstance(item, Patch)
    ]
    assert claim.body["metadata"]["finalizers"] == ["x", labels.SET_FINALIZER]
    assert claim.version == 1


GUARANTEES: dict[str, tuple[Capabilities, str, str]] = {
    "whole gangs": (NATIVE, "True", "NativeGangScheduling"),
    "sums of minimums": (SUMS, "False", "SumOfMinimums"),
    "none": (PLAIN, "False", "GangSchedulingUnavailable"),
}


@pytest.mark.parametrize(("offered", "truth", "reason"), GUARANTEES.values(), ids=GUARANTEES)
def test_what_is_promised(offered: Capabilities, truth: str, reason: str) -> None:
    [condition] = status(plan(offered=offered))["conditions"]
    assert (condition["type"], condition["status"], condition["reason"]) == (
        "GangGuarantee",
        truth,
        reason,
    )


def test_a_scheduler_that_is_not_enabled_promises_nothing() -> None:
    spec = {"schedulerName": "other-scheduler", "containers": [{"name": "a"}]}
    [found] = status(plan(a_set().with_clique("w", pod_spec=spec)))["conditions"]
    assert (found["type"], found["status"]) == ("GangGuarantee", "False")
    assert found["reason"] == "SchedulerNotEnabled"


def test_constraints_without_effect_are_told() -> None:
    builder = SET.with_template(
        topologyConstraint={"topologyName": "t", "pack": {"required": "rack"}}
    )
    found = {item["type"]: item for item in status(plan(builder))["conditions"]}
    condition = found["TopologyLevelsUnavailable"]
    assert condition["status"] == "Unknown"
    assert condition["reason"] == "TopologyAwareSchedulingDisabled"


def test_an_error_keeps_the_time_when_it_was_first_seen() -> None:
    first = status(plan(r0=ReplicaSummary(problem="no room", problem_code="ERR")))
    assert first["lastErrors"] == [{"code": "ERR", "description": "no room", "observedAt": NOW}]
    record = the_record(first)
    again = plan(record=record, now=LATER, r0=ReplicaSummary(problem="no room", problem_code="ERR"))
    assert again.statuses == ()
    assert status(plan(record=record, r0=ReplicaSummary()))["lastErrors"] is None


def test_few_errors_are_listed() -> None:
    many: dict[str, Any] = {
        f"r{n}": ReplicaSummary(problem=f"p{n}", problem_code="E") for n in range(20)
    }
    assert len(status(plan(errors=(("A", "own"),), **many))["lastErrors"]) == 5
    assert status(plan(errors=(("A", "own"),), **many))["lastErrors"][0]["code"] == "A"


@pytest.mark.parametrize(("gangs", "listed"), [(1, 1), (64, 64), (65, None)])
def test_gangs_are_listed_while_they_are_few(gangs: int, listed: int | None) -> None:
    summary = ReplicaSummary(gangs=tuple((f"g{n:03}", "Running") for n in range(gangs)))
    found = status(plan(r0=summary)).get("podGangStatuses")
    assert (len(found) if found else None) == listed


def test_a_rejected_spec_leaves_the_rest_of_the_status() -> None:
    record = the_record({"replicas": 3, "availableReplicas": 2, "updatedReplicas": 1}, generation=4)
    found = status(rejected_status(record, ["a: wrong", "b: wrong"], NOW))
    assert found["observedGeneration"] == 4
    assert found["conditions"][0]["message"] == "a: wrong; b: wrong"
    assert found.keys() == {"observedGeneration", "conditions"}


def test_kinds_are_planned_for_the_set_only() -> None:
    assert {action.kind for action in plan().actions} <= set(Kind)
