"""What docs/install.md tells people to type exists. That it works, the release tests show."""

import re
from pathlib import Path

import pytest

from tests.charts.helm import Helm
from tools.chart import CHART

PAGE = CHART.parents[1] / "docs" / "install.md"
COMMANDS = [
    " ".join(command.replace("\\\n", " ").split())
    for block in re.findall(r"```console\n(.*?)```", PAGE.read_text(), re.DOTALL)
    for command in re.split(r"(?<!\\)\n", block)
    if command.strip()
]
HELM = [command for command in COMMANDS if command.startswith("helm ")]


def test_there_is_something_to_type() -> None:
    assert {command.split()[0] for command in COMMANDS} == {"helm", "kubectl"}
    assert {command.split()[1] for command in HELM} == {"install", "upgrade", "uninstall"}


@pytest.mark.parametrize("command", HELM)
def test_helm_knows_every_option(helm: Helm, command: str) -> None:
    known = helm.run(command.split()[1], "--help")
    for option in re.findall(r"--[a-z-]+", command):
        assert f"{option} " in known


@pytest.mark.parametrize("command", COMMANDS)
def test_files_are_where_the_page_says(command: str) -> None:
    named = re.findall(r"(?:charts|examples|crds)/\S*", command)
    assert all((PAGE.parents[1] / Path(name)).exists() for name in named)
