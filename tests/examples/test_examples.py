"""Every example is sound, becomes what its page promises, and runs. New folders join by being."""

import re
from pathlib import Path
from typing import Any

import pytest

from grove_operator.admission.validation import essential_problems
from grove_operator.api import labels
from grove_operator.api.parsing import parse_podcliqueset
from grove_operator.desired.blueprint import build_blueprint
from grove_operator.plan.rehearse import rehearse
from grove_operator.scheduling.native import Capabilities
from tests.examples.catalogue import EXAMPLES, ROOT, Example, examples, shell_commands
from tests.examples.kubectl import run_kubectl
from tests.support.controlplane import Kube, path_of
from tools.localcluster.nodes import RACK_LABEL

every_example = pytest.mark.parametrize(
    "example", [pytest.param(example, id=example.folder.name) for example in examples()]
)
NATIVE = Capabilities(
    pod_groups=True, composite_groups=True, workloads=True, waiter_image="grove-initc:1"
)
KNOWN_VARIABLES = {value for name, value in vars(labels).items() if name.startswith("ENV_")}


def planned(example: Example) -> list[dict[str, Any]]:
    body = example.manifest
    body["metadata"] |= {"namespace": "default", "uid": "u", "generation": 1}
    return rehearse(build_blueprint(parse_podcliqueset(body)), NATIVE)


def gpus(pod: dict[str, Any]) -> int:
    limits = [container["resources"].get("limits", {}) for container in pod["spec"]["containers"]]
    return sum(int(limit.get("nvidia.com/gpu", 0)) for limit in limits)


@every_example
def test_is_sound(example: Example) -> None:
    assert essential_problems(parse_podcliqueset(example.manifest)) == []


@every_example
def test_uses_variables_that_exist(example: Example) -> None:
    used = set(re.findall(r"GROVE_[A-Z_]+", example.text))
    assert used <= KNOWN_VARIABLES


@every_example
def test_images_name_no_registry(example: Example) -> None:
    for image in re.findall(r"image: (\S+)", example.text):
        first = image.split("/")[0] if "/" in image else ""
        assert "." not in first, f"{image} names a registry host"
        assert ":" in image, f"{image} has no version"


@every_example
def test_pods_and_gpus_are_as_the_index_says(example: Example) -> None:
    pods = [body for body in planned(example) if body["kind"] == "Pod"]
    line = next(
        line
        for line in (EXAMPLES / "README.md").read_text().splitlines()
        if line.startswith(f"| [{example.folder.name}]")
    )
    said = [int(cell) for cell in line.strip("|").split("|")[-2:]]
    assert said == [len(pods), sum(map(gpus, pods))]


@every_example
def test_page_names_every_gang_group_and_autoscaler(example: Example) -> None:
    kinds = {"PodGang", "PodCliqueScalingGroup", "HorizontalPodAutoscaler", "Service"}
    missing = [
        f"{body['kind']} {body['metadata']['name']}"
        for body in planned(example)
        if body["kind"] in kinds and body["metadata"]["name"] not in example.readme
    ]
    assert missing == []


@every_example
async def test_becomes_ready(example: Example, operator: Path, kube: Kube, namespace: str) -> None:
    del operator
    await kube.create_all(example.text, namespace)
    pods = sum(body["kind"] == "Pod" for body in planned(example))
    sets = path_of("grove.io/v1alpha1", "podcliquesets", namespace, example.name)
    gangs = path_of("scheduler.grove.io/v1alpha1", "podgangs", namespace)
    await kube.wait_for(path_of("v1", "pods", namespace), lambda seen: all_ready(seen, pods), 60)
    await kube.wait_for(sets, is_available, 30)
    await kube.wait_for(gangs, lambda seen: seen and all(map(is_scheduled, seen)), 30)
    await kube.delete(sets)
    await kube.wait_gone(path_of("v1", "pods", namespace), 60)


@every_example
async def test_commands_of_its_page_run(
    example: Example, operator: Path, kube: Kube, namespace: str
) -> None:
    """In the order of the page, each as typed, only with a namespace of the test's own."""
    pods = path_of("v1", "pods", namespace)
    expected = sum(body["kind"] == "Pod" for body in planned(example))
    commands = shell_commands(example.readme)
    assert commands[0].startswith("kubectl apply -f examples/")
    for command in commands:
        await run_kubectl(command, operator, namespace)
        if "podcliqueset.yaml" in command:
            await kube.wait_for(pods, lambda seen: len(seen) == expected, 60)
        elif "scale" in command:
            await gangs_settle(kube, namespace)
    await kube.wait_gone(pods, 60)


async def test_each_copy_has_a_rack_of_its_own(operator: Path, kube: Kube, namespace: str) -> None:
    example = Example(EXAMPLES / "06-topology")
    binding = (example.folder / "topology.yaml").relative_to(ROOT)
    await run_kubectl(f"kubectl apply -f {binding}", operator, namespace)
    try:
        await kube.create_all(example.text, namespace)
        pods = path_of("v1", "pods", namespace)
        seen = await kube.wait_for(pods, lambda seen: all_ready(seen, 12), 60)
        racks = {
            node["metadata"]["name"]: node["metadata"]["labels"].get(RACK_LABEL)
            for node in (await kube.get(path_of("v1", "nodes")))["items"]
        }
        used = {
            (index, racks[pod["spec"]["nodeName"]])
            for pod in seen
            for index in [pod["metadata"]["labels"][labels.REPLICA_INDEX]]
        }
        hosts = {pod["spec"]["nodeName"] for pod in seen if "-prefill-" in pod["metadata"]["name"]}
        await kube.delete(path_of("grove.io/v1alpha1", "podcliquesets", namespace, example.name))
        await kube.wait_gone(pods, 60)
    finally:
        await run_kubectl(f"kubectl delete -f {binding}", operator, namespace)
    assert used in ({("0", "rack-0"), ("1", "rack-1")}, {("0", "rack-1"), ("1", "rack-0")})
    assert len(hosts) == 2


async def gangs_settle(kube: Kube, namespace: str) -> None:
    """Until every gang refers to all its pods, so that the next command finds what it names."""

    def complete(gangs: list[dict[str, Any]]) -> bool:
        return all(
            any(c["type"] == "Initialized" and c["status"] == "True" for c in conditions(gang))
            for gang in gangs
        )

    await kube.wait_for(path_of("scheduler.grove.io/v1alpha1", "podgangs", namespace), complete, 30)


def all_ready(pods: list[dict[str, Any]], expected: int) -> bool:
    ready = [
        any(c["type"] == "Ready" and c["status"] == "True" for c in conditions(pod)) for pod in pods
    ]
    return len(ready) == expected and all(ready)


def is_available(podcliqueset: dict[str, Any] | None) -> bool:
    if podcliqueset is None:
        return False
    status = podcliqueset.get("status", {})
    return bool(status.get("availableReplicas") == podcliqueset["spec"]["replicas"])


def is_scheduled(gang: dict[str, Any]) -> bool:
    return any(c["type"] == "Scheduled" and c["status"] == "True" for c in conditions(gang))


def conditions(body: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = body.get("status", {}).get("conditions") or []
    return found
