"""What README.md tells people to type works: each command is covered by one of these tests."""

import asyncio
from pathlib import Path

import pytest
import yaml

from tests.examples.catalogue import EXAMPLES, ROOT, Example, shell_commands
from tests.examples.kubectl import run_kubectl
from tests.examples.typed import make_knows, output_without_cluster
from tests.support.controlplane import Kube, path_of

README = ROOT / "README.md"
COMMANDS = shell_commands(README.read_text())
DEMO = Example(EXAMPLES / "03-disaggregated")


PREFIXES = (
    "make ",
    "kubectl ",
    ".venv/bin/grove-operator plan ",
    ".venv/bin/grove-operator lint ",
    "export ",
)


def starting_with(*words: str) -> list[str]:
    return [command for command in COMMANDS if command.startswith(words)]


def test_every_command_is_covered() -> None:
    covered = starting_with(*PREFIXES)
    assert sorted(covered) == sorted(COMMANDS)


@pytest.mark.parametrize("command", starting_with("make "))
def test_make_targets_exist(command: str) -> None:
    make_knows(command)


@pytest.mark.parametrize("command", starting_with(".venv/bin/grove-operator plan "))
def test_plan_needs_no_cluster(command: str, tmp_path: Path) -> None:
    assert "PodGang" in output_without_cluster(command, tmp_path)


@pytest.mark.parametrize("command", starting_with(".venv/bin/grove-operator lint "))
def test_lint_needs_no_cluster(command: str, tmp_path: Path) -> None:
    output_without_cluster(command, tmp_path)


def test_exported_paths_are_those_of_the_demo() -> None:
    [exports] = starting_with("export ")
    assert "KUBECONFIG=.local/kubeconfig" in exports
    assert "PATH=.local/bin:$PATH" in exports


async def test_kubectl_lines_run(operator: Path, kube: Kube, namespace: str) -> None:
    """After the demo's own example, in the order of the page."""
    await kube.create_all(yaml.safe_dump(DEMO.manifest), namespace)
    groups = path_of("grove.io/v1alpha1", "podcliquescalinggroups", namespace)
    await kube.wait_for(groups, lambda seen: len(seen) == 2, 30)
    for command in starting_with("kubectl "):
        await asyncio.wait_for(run_kubectl(command, operator, namespace), 60)
    await kube.wait_gone(path_of("v1", "pods", namespace), 60)
