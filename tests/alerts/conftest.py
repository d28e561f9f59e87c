"""promtool, or a loud reason why there is none."""

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tools.localcluster import AcquisitionError
from tools.prometheus import Programs, find

RULES = Path(__file__).resolve().parents[2] / "charts/grove-operator/files/alerts.yaml"

Promtool = Callable[..., "subprocess.CompletedProcess[str]"]


def alerts() -> dict[str, dict[str, Any]]:
    """Every alert of the rule file, by name."""
    groups = yaml.safe_load(RULES.read_text())["groups"]
    return {rule["alert"]: rule for group in groups for rule in group["rules"]}


@pytest.fixture(scope="session")
def programs() -> Programs:
    try:
        return find()
    except AcquisitionError as error:
        pytest.skip(f"no promtool: {error}")


@pytest.fixture(scope="session")
def promtool(programs: Programs) -> Promtool:
    def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
        command = [programs.promtool, *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)

    return run
