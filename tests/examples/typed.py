"""Tries commands of a page that need no cluster, as somebody in the project's folder types them."""

import shlex
import subprocess
from pathlib import Path

from tests.examples.catalogue import ROOT


def make_knows(command: str) -> None:
    """`make …`: the target exists; what it would do is not done."""
    _, *arguments = shlex.split(command, comments=True)
    result = subprocess.run(
        ["make", "--dry-run", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr


def output_without_cluster(command: str, home: Path) -> str:
    """`.venv/bin/…`, run with no configuration and no cluster to find."""
    program, *arguments = shlex.split(command, comments=True)
    assert (ROOT / program).exists(), f"{program} is missing: run `make setup`"
    result = subprocess.run(
        [ROOT / program, *arguments],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", "HOME": str(home), "KUBECONFIG": "/nonexistent"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout
