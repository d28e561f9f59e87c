"""Volcano's PodGroups: queue, and what of an existing one is changed."""

from typing import Any

import pytest

from grove_operator.admission.schedulers import VOLCANO
from grove_operator.observed import Child
from grove_operator.scheduling.backend import Gang
from grove_operator.scheduling.profiles import EVERYTHING
from grove_operator.scheduling.volcano import Volcano, resolve_queue
from tests.support.builders import SetBuilder, a_meta, a_set

BACKEND = Volcano(EVERYTHING)


def with_queues(own: str = "", first: str = "", second: str = "") -> SetBuilder:
    def noted(value: str) -> dict[str, str]:
        return {"scheduling.grove.io/volcano-queue": value} if value else {}

    builder = a_set(annotations=noted(own))
    for name, value in (("gate", first), ("oar", second)):
        spec = {"schedulerName": VOLCANO}
        builder = builder.with_clique(name, annotations=noted(value), pod_spec=spec)
    return builder


QUEUES: dict[str, tuple[SetBuilder, str]] = {
    "nobody names one": (with_queues(), "default"),
    "the set": (with_queues(" dock "), "dock"),
    "the cliques": (with_queues("", "dock", "dock"), "dock"),
    "a clique that agrees": (with_queues("dock", "dock"), "dock"),
    "one clique only": (with_queues("", "dock"), ""),
    "two": (with_queues("", "dock", "quay"), ""),
}


@pytest.mark.parametrize(("builder", "queue"), QUEUES.values(), ids=QUEUES)
def test_the_queue(builder: SetBuilder, queue: str) -> None:
    found, problem = resolve_queue(builder.blueprint())
    assert found == queue
    assert bool(problem) is not bool(queue)


GROUPS = [{"name": "tide-0-gate", "minReplicas": 1, "podReferences": [{"name": "x"}]}]
GANG = Gang(with_queues().blueprint(), "tide-0", {"team": "sea"}, {}, {"podgroups": GROUPS})
WANTED = BACKEND.group(GANG) or {}


def existing(**spec: Any) -> Child:
    meta = a_meta("tide-0", labels={"team": "sea", "volcano.sh/theirs": "x"})
    return Child(meta=meta, body={"spec": WANTED["spec"] | spec})


def test_what_volcano_adds_stays() -> None:
    assert BACKEND.mend(existing(minResources={"cpu": "1"}, minTaskMember={}), WANTED) == {}


def test_what_is_ours_is_mended() -> None:
    assert BACKEND.mend(existing(queue="other"), WANTED) == {"spec": {"queue": "default"}}
    policy = WANTED["spec"]["subGroupPolicy"]
    assert BACKEND.mend(existing(subGroupPolicy=None), WANTED) == {
        "spec": {"subGroupPolicy": policy}
    }


def test_two_queues_cannot_be_told() -> None:
    gang = Gang(with_queues("", "a", "b").blueprint(), "tide-0", {}, {}, {"podgroups": GROUPS})
    problem = BACKEND.problem(gang)
    assert problem is not None
    assert "same queue" in problem.text
    assert BACKEND.group(gang) is None
