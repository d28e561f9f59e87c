"""What the pages in docs/ tell people to type works: each command is covered by one test here.

But for docs/install.md, which tests/charts/test_install_page.py reads.
"""

import re
import shlex
from argparse import ArgumentParser
from collections.abc import Callable
from pathlib import Path

import pytest
import typer
import yaml

from bench import __main__ as bench_command
from bench import admission as bench_admission
from grove_operator.__main__ import app
from grove_operator.api.rights import CERTIFICATE, LEASE
from tests.conftest import ControlPlane
from tests.examples.catalogue import EXAMPLES, ROOT, Example, shell_commands
from tests.examples.kubectl import run_kubectl
from tests.examples.typed import make_knows, output_without_cluster
from tests.support.controlplane import Kube, path_of
from tools.demo.crds import install_crds

DOCS = ROOT / "docs"
PAGES = sorted(set(DOCS.rglob("*.md")) - {DOCS / "install.md"})
COMMANDS = sorted({command for page in PAGES for command in shell_commands(page.read_text())})
PARSERS: dict[str, Callable[[], ArgumentParser]] = {
    "bench": bench_command.parser,
    "bench.admission": bench_admission.parser,
}
CHART = ROOT / "charts" / "grove-operator"
OF_THE_CHART = re.compile(r"kubectl (?:logs|exec|get (?:secret|lease)) -n grove-system ")
OF_A_SET = re.compile(r" NAMESPACE\b|\b(?:get pcs |grove \w+ (?:pcs/)?)llm\b")
NOT_IN_EVERY_CLUSTER = ["kubectl get certificate -n grove-system"]


def starting_with(*words: str) -> list[str]:
    return [command for command in COMMANDS if command.startswith(words)]


KUBECTL = [command for command in starting_with("kubectl ") if command not in NOT_IN_EVERY_CLUSTER]
ABOUT_THE_CHART = [command for command in KUBECTL if OF_THE_CHART.match(command)]
ABOUT_A_SET = [command for command in KUBECTL if OF_A_SET.search(command)]
ANYWHERE = sorted({*KUBECTL} - {*ABOUT_THE_CHART} - {*ABOUT_A_SET})


def test_every_command_is_covered() -> None:
    covered = starting_with(
        ".venv/bin/grove-operator ",
        ".venv/bin/python -m ",
        "docker build ",
        "grove-operator ",
        "kubectl ",
        "make ",
        "export ",
    )
    assert covered == COMMANDS
    assert set(NOT_IN_EVERY_CLUSTER) <= set(COMMANDS)


def test_variables_that_tests_read_are_listed() -> None:
    read = {
        name
        for path in (ROOT / "tests").rglob("*.py")
        for name in re.findall(r"\bGROVE_TEST_[A-Z_]+\b", path.read_text())
    }
    listed = (ROOT / "CONTRIBUTING.md").read_text()
    assert read
    assert sorted(name for name in read if f"`{name}`" not in listed) == []


@pytest.mark.parametrize("command", starting_with("make "))
def test_make_targets_exist(command: str) -> None:
    make_knows(command)


@pytest.mark.parametrize("command", starting_with(".venv/bin/grove-operator "))
def test_what_needs_no_cluster_runs(command: str, tmp_path: Path) -> None:
    output_without_cluster(command, tmp_path)


@pytest.mark.parametrize("command", starting_with("grove-operator "))
def test_commands_on_files_of_others_exist(command: str) -> None:
    group = typer.main.get_command(app)
    group.make_context("grove-operator", shlex.split(command)[1:])


@pytest.mark.parametrize("command", starting_with(".venv/bin/python -m "))
def test_benchmarks_take_these_options(command: str) -> None:
    """They run for minutes, so only their options are tried."""
    module, *arguments = shlex.split(command, comments=True)[2:]
    PARSERS[module]().parse_args(arguments)


@pytest.mark.parametrize("command", starting_with("docker build "))
def test_docker_builds_what_there_is(command: str) -> None:
    """tests/containers builds these targets with what a machine without Docker has."""
    words = command.split()
    target = words[words.index("--target") + 1]
    stages = re.findall(r"^FROM .* AS (\S+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert target in stages


@pytest.mark.parametrize("command", ABOUT_THE_CHART)
def test_what_the_chart_makes_is_called_so(command: str) -> None:
    template = (CHART / "templates" / "deployment.yaml").read_text()
    containers = re.findall(r"^ {8}- name: (\S+)$", template, re.MULTILINE)
    _, verb, kind, *_ = words = _without_pipe(command).split()
    if verb in {"logs", "exec"}:
        assert "deploy/grove-operator" in words
        assert words[words.index("-c") + 1] in containers
    else:
        assert {"secret": CERTIFICATE, "lease": LEASE}[kind] in words


def _without_pipe(command: str) -> str:
    """Only kubectl's part: jq need not be there, and grep fails where it finds nothing."""
    return command.partition(" | ")[0]


@pytest.mark.cluster
@pytest.mark.parametrize("command", ANYWHERE)
async def test_kubectl_understands(control_plane: ControlPlane, command: str) -> None:
    if control_plane.local is not None:
        install_crds(control_plane.local)
    await run_kubectl(_without_pipe(command), control_plane.kubeconfig, "default")


async def test_kubectl_finds_what_runbooks_look_at(
    operator: Path, kube: Kube, namespace: str
) -> None:
    """A set of the name that docs/why.md uses, and what it became."""
    body = Example(EXAMPLES / "00-first").manifest
    body["metadata"]["name"] = "llm"
    await kube.create_all(yaml.safe_dump(body), namespace)
    pods = path_of("v1", "pods", namespace)
    gangs = path_of("scheduler.grove.io/v1alpha1", "podgangs", namespace)
    [pod, *_] = await kube.wait_for(pods, lambda seen: seen, 60)
    await kube.wait_for(gangs, lambda seen: seen, 30)
    assert ABOUT_A_SET
    for command in ABOUT_A_SET:
        name = "llm" if " get pcs " in command else "llm-0"
        filled = re.sub(r"\bNAME\b", name, _without_pipe(command).replace("NAMESPACE", namespace))
        filled = re.sub(r"\bPOD\b", pod["metadata"]["name"], filled)
        await run_kubectl(filled, operator, namespace)
