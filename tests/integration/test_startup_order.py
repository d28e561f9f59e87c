"""Start orders with real waiter processes: the tests play kubelet, all else is the real thing."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from tests.integration.conftest import Stage
from tests.integration.sets import Body, a_clique, a_group, a_set, conditions
from tests.integration.test_waiter import server_environment
from tests.support.controlplane import Object, path_of
from tests.support.kubelet import CONTAINER, Kubelet
from tests.support.operator import OperatorProcess
from tests.support.privileges import operator_kubeconfig
from tools.localcluster import LocalCluster

WAITING = "WaitingForParents"
Needs = dict[str, dict[str, int]]


@pytest.fixture
async def kubelet(stage: Stage, ground: LocalCluster, tmp_path: Path) -> AsyncIterator[Kubelet]:
    server = server_environment(ground.kubeconfig)
    async with Kubelet.on_duty(stage.kube, stage.namespace, server, tmp_path) as played:
        yield played


def ordered(kubelet: Kubelet, kind: str, body: Body) -> Body:
    """With that start order, on the node of the kubelet, fit for restricted namespaces."""
    template = body["spec"]["template"]
    template["cliqueStartupType"] = f"CliqueStartupType{kind}"
    for clique in template["cliques"]:
        spec = clique["spec"]["podSpec"]
        spec["nodeSelector"] = {"kubernetes.io/hostname": kubelet.node}
        spec["securityContext"] = {
            "runAsNonRoot": True,
            "runAsUser": 1000,
            "seccompProfile": {"type": "RuntimeDefault"},
        }
        for container in spec["containers"]:
            container["securityContext"] = {
                "allowPrivilegeEscalation": False,
                "capabilities": {"drop": ["ALL"]},
            }
    return body


async def forbid_privileges(stage: Stage) -> None:
    marks = {"pod-security.kubernetes.io/enforce": "restricted"}
    await stage.kube.patch(
        path_of("v1", "namespaces", name=stage.namespace), {"metadata": {"labels": marks}}
    )


def told(stage: Stage) -> Needs:
    """By PodClique: what the pods that exist now wait for."""
    found: Needs = {}
    for pod in stage.seen.of("Pod"):
        for container in pod["spec"].get("initContainers") or ():
            if container["name"] == CONTAINER:
                pairs = (text.partition("=")[2].rpartition(":") for text in container["args"])
                needs = {name: int(count) for name, _, count in pairs}
                clique = pod["metadata"]["labels"]["grove.io/podclique"]
                assert found.setdefault(clique, needs) == needs, "its pods disagree"
    return found


def check_order(kubelet: Kubelet, needs: Needs) -> None:
    """No pod started before enough pods of each parent were ready."""
    ready: dict[str, set[str]] = {}
    for _, clique, pod, what in kubelet.story:
        if what == "ready":
            ready.setdefault(clique, set()).add(pod)
        elif what == "starts":
            for parent, count in needs.get(clique, {}).items():
                there = len(ready.get(parent, ()))
                text = f"{pod} started when {parent} had {there} of {count}"
                assert there >= count, f"{text}\n{kubelet.timeline()}"


PATIENCE = 100.0
"""A token that a killed operator has made is taken for its own only after a while."""


async def settled(stage: Stage, kubelet: Kubelet, operator: OperatorProcess) -> None:
    try:
        await stage.settled(PATIENCE)
    except AssertionError as error:
        raise AssertionError(f"{error}\n{kubelet.timeline()}\n{operator.tail()}") from error


async def waits_for(stage: Stage, clique: str, text: str) -> None:
    """Until the condition of a PodClique says so; empty for one that does not wait any more."""

    def check() -> bool:
        found = conditions(stage.seen.named("PodClique", clique)).get(WAITING, {})
        return (found.get("status") == "True" and text in found["message"]) or (
            not text and found.get("status") == "False"
        )

    await stage.seen.until(check, f"{clique} waits for {text or 'nothing'}")


async def test_any_order_waits_for_nothing(
    stage: Stage, kubelet: Kubelet, mortal: OperatorProcess
) -> None:
    kubelet.hold("free-0-a")
    body = a_set("free", [a_clique("a"), a_clique("b", 2, startsAfter=["a"])])
    await stage.create(ordered(kubelet, "AnyOrder", body))
    await kubelet.until("free-0-b", "ready", 2)
    assert told(stage) == {}
    assert WAITING not in conditions(stage.seen.named("PodClique", "free-0-b"))
    kubelet.release("free-0-a")
    await settled(stage, kubelet, mortal)


async def test_in_order(stage: Stage, kubelet: Kubelet, mortal: OperatorProcess) -> None:
    """In a restricted namespace, two replicas that know nothing of each other."""
    await forbid_privileges(stage)
    kubelet.hold("line-0-a")
    body = a_set("line", [a_clique("a", 3, 2), a_clique("b", 2), a_clique("c")], replicas=2)
    await stage.create(ordered(kubelet, "InOrder", body))
    await kubelet.until("line-1-c", "ready", 1)
    await kubelet.until("line-0-b", "waits", 2)
    await waits_for(stage, "line-0-b", "line-0-a, of which 2 pods")
    await waits_for(stage, "line-0-c", "line-0-b, of which 2 pods")
    await waits_for(stage, "line-1-b", "")
    assert kubelet.has("line-0-b", "starts") == set()
    needs = told(stage)
    assert needs == {
        f"line-{index}-{child}": {f"line-{index}-{parent}": 2}
        for index in (0, 1)
        for child, parent in (("b", "a"), ("c", "b"))
    }
    kubelet.release("line-0-a")
    await settled(stage, kubelet, mortal)
    await waits_for(stage, "line-0-c", "")
    check_order(kubelet, needs)


def crew() -> Body:
    cliques = [
        a_clique("gate", 2, 1),
        a_clique("lead", startsAfter=["gate"]),
        a_clique("oar", 2, 1, startsAfter=["lead", "gate"]),
    ]
    return a_set("tide", cliques, [a_group("crew", ["lead", "oar"], 3, 2)])


async def test_explicit_across_groups(
    stage: Stage, kubelet: Kubelet, mortal: OperatorProcess
) -> None:
    """In the base gang all replicas of a group count, in a scaled gang its own."""
    kubelet.hold("tide-0-gate")
    kubelet.hold("tide-0-crew-1-lead")
    await stage.create(ordered(kubelet, "Explicit", crew()))
    await kubelet.until("tide-0-crew-2-oar", "ready", 2)
    await waits_for(stage, "tide-0-crew-0-lead", "tide-0-gate, of which 1 pod")
    assert kubelet.has("tide-0-crew-0-lead", "starts") == set()
    kubelet.release("tide-0-gate")
    await kubelet.until("tide-0-crew-0-lead", "ready", 1)
    await waits_for(stage, "tide-0-crew-0-oar", "tide-0-crew-1-lead, of which 1 pod")
    assert kubelet.has("tide-0-crew-0-oar", "starts") == set()
    kubelet.release("tide-0-crew-1-lead")
    await settled(stage, kubelet, mortal)
    await stage.scale("PodCliqueScalingGroup", "tide-0-crew", 4)
    await settled(stage, kubelet, mortal)
    oars = {"tide-0-crew-0-lead": 1, "tide-0-crew-1-lead": 1, "tide-0-gate": 1}
    needs: Needs = {
        "tide-0-crew-0-lead": {"tide-0-gate": 1},
        "tide-0-crew-1-lead": {"tide-0-gate": 1},
        "tide-0-crew-0-oar": oars,
        "tide-0-crew-1-oar": oars,
        "tide-0-crew-2-oar": {"tide-0-crew-2-lead": 1},
        "tide-0-crew-3-oar": {"tide-0-crew-3-lead": 1},
    }
    assert told(stage) == needs
    check_order(kubelet, needs)


async def test_the_order_holds_while_the_operator_is_dead(
    stage: Stage, kubelet: Kubelet, mortal: OperatorProcess
) -> None:
    kubelet.hold("line-0-a")
    body = a_set("line", [a_clique("a", 2), a_clique("b", 2), a_clique("c", 2)])
    await stage.create(ordered(kubelet, "InOrder", body))
    await kubelet.until("line-0-c", "waits", 2)
    await stage.settled(available=False)
    needs = told(stage)
    mortal.kill()
    kubelet.release("line-0-a")
    await kubelet.until("line-0-c", "ready", 2)
    await asyncio.to_thread(mortal.start)
    await settled(stage, kubelet, mortal)
    await waits_for(stage, "line-0-c", "")
    check_order(kubelet, needs)
    assert all(len(kubelet.has(f"line-0-{name}", "ready")) == 2 for name in "abc")


KILLS: dict[str, Callable[[Stage], bool]] = {
    "when PodCliques exist": lambda stage: bool(stage.seen.of("PodClique")),
    "when the first pods exist": lambda stage: bool(stage.seen.of("Pod")),
    "when the first pod is ready": lambda stage: any(map(is_ready, stage.seen.of("Pod"))),
}


def is_ready(pod: Object) -> bool:
    return conditions(pod).get("Ready", {}).get("status") == "True"


@pytest.mark.parametrize("moment", KILLS.values(), ids=KILLS)
async def test_kills_change_nothing(
    stage: Stage, kubelet: Kubelet, mortal: OperatorProcess, moment: Callable[[Stage], bool]
) -> None:
    await stage.create(ordered(kubelet, "Explicit", crew()))
    await stage.seen.until(lambda: moment(stage), "the moment")
    mortal.kill()
    await asyncio.to_thread(mortal.start)
    await settled(stage, kubelet, mortal)
    check_order(kubelet, told(stage))


async def test_a_parent_scaled_below_its_minimum_is_not_waited_for_in_vain(
    stage: Stage, kubelet: Kubelet, mortal: OperatorProcess
) -> None:
    kubelet.hold("line-0-a")
    body = a_set("line", [a_clique("a", 2, 2), a_clique("b", 2)])
    await stage.create(ordered(kubelet, "InOrder", body))
    await kubelet.until("line-0-b", "waits", 2)
    await stage.scale("PodClique", "line-0-a", 1)
    await kubelet.until("line-0-b", "waits", 4)
    assert told(stage)["line-0-b"] == {"line-0-a": 1}
    await stage.scale("PodClique", "line-0-a", 0)
    await kubelet.until("line-0-b", "ready", 2)
    assert told(stage) == {}
    kubelet.release("line-0-a")
    await settled(stage, kubelet, mortal)


async def test_without_the_waiters_image_the_set_says_so_and_others_run(
    stage: Stage, kubelet: Kubelet, ground: LocalCluster, tmp_path: Path
) -> None:
    environment = {"GROVE_INIT_CONTAINER_IMAGE": ""}
    with OperatorProcess(operator_kubeconfig(ground), tmp_path, **environment) as operator:
        wrong = a_set("line", [a_clique("a"), a_clique("b")])
        await stage.create(ordered(kubelet, "InOrder", wrong))
        await stage.create(ordered(kubelet, "AnyOrder", a_set("free", [a_clique("a")])))
        await kubelet.until("free-0-a", "ready", 1)
        await stage.wait_event("PodCliqueSet", "InitContainerImageMissing")

        def said() -> bool:
            seen = stage.seen.named("PodCliqueSet", "line")
            errors = (seen or {}).get("status", {}).get("lastErrors") or [{}]
            return "ERR_INITCONTAINER_ENVIRONMENT_VARIABLE_MISSING" in str(errors[0])

        await stage.seen.until(said, "the error in the status")
        assert conditions(stage.seen.named("PodCliqueSet", "line"))["StartOrderUnavailable"]
        assert kubelet.has("line-0-b", "starts") == set()
        assert operator.metric("grove_operator_errors_total", reason="bug") == 0
    with OperatorProcess(operator_kubeconfig(ground), tmp_path) as operator:
        await settled(stage, kubelet, operator)
        found = conditions(stage.seen.named("PodCliqueSet", "line"))
        assert "StartOrderUnavailable" not in found
