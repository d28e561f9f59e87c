"""What the pages in docs/ tell people to type works: each command is covered by one test here."""

import re
import shlex
from argparse import ArgumentParser
from collections.abc import Callable
from pathlib import Path

import pytest

from bench import __main__ as bench_command
from bench import admission as bench_admission
from tests.conftest import ControlPlane
from tests.examples.catalogue import ROOT, shell_commands
from tests.examples.kubectl import run_kubectl
from tests.examples.typed import make_knows, output_without_cluster
from tools.demo.crds import install_crds

PAGES = sorted((ROOT / "docs").rglob("*.md"))
COMMANDS = sorted(
    {
        " ".join(shlex.split(command, comments=True))
        for page in PAGES
        for command in shell_commands(page.read_text())
    }
)
PARSERS: dict[str, Callable[[], ArgumentParser]] = {
    "bench": bench_command.parser,
    "bench.admission": bench_admission.parser,
}


def starting_with(*words: str) -> list[str]:
    return [command for command in COMMANDS if command.startswith(words)]


def test_every_command_is_covered() -> None:
    covered = starting_with(
        ".venv/bin/grove-operator ",
        ".venv/bin/python -m ",
        "docker build ",
        "kubectl ",
        "make ",
        "export ",
    )
    assert covered == COMMANDS


@pytest.mark.parametrize("command", starting_with("make "))
def test_make_targets_exist(command: str) -> None:
    make_knows(command)


@pytest.mark.parametrize("command", starting_with(".venv/bin/grove-operator "))
def test_what_needs_no_cluster_runs(command: str, tmp_path: Path) -> None:
    output_without_cluster(command, tmp_path)


@pytest.mark.parametrize("command", starting_with(".venv/bin/python -m "))
def test_benchmarks_take_these_options(command: str) -> None:
    """They run for minutes, so only their options are tried."""
    module, *arguments = command.split()[2:]
    PARSERS[module]().parse_args(arguments)


@pytest.mark.parametrize("command", starting_with("docker build "))
def test_docker_builds_what_there_is(command: str) -> None:
    """tests/containers builds these targets with what a machine without Docker has."""
    words = command.split()
    target = words[words.index("--target") + 1]
    stages = re.findall(r"^FROM .* AS (\S+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert target in stages


@pytest.mark.cluster
@pytest.mark.parametrize("command", starting_with("kubectl "))
async def test_kubectl_understands(control_plane: ControlPlane, command: str) -> None:
    if control_plane.local is not None:
        install_crds(control_plane.local)
    await run_kubectl(command, control_plane.kubeconfig, "default")
