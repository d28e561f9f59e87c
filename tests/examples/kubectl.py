"""Runs a kubectl line as a page shows it, in a namespace of the test's own."""

import asyncio
import os
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.examples.catalogue import ROOT
from tools.localcluster import ensure
from tools.localcluster.toolsets import CONTROL_PLANE

ENVIRONMENT = os.environ | {
    "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
}
"""With the plugin where kubectl finds it."""


@dataclass(frozen=True)
class Result:
    code: int
    stdout: str
    stderr: str


async def run_kubectl(command: str, kubeconfig: Path, namespace: str) -> str:
    """What it prints; fails if it fails. That something is blocked is an answer, too."""
    result = await try_kubectl(command, kubeconfig, namespace)
    fine = {0, 1} if command.startswith("kubectl grove why") else {0}
    assert result.code in fine, f"{command}\n{result.stderr}"
    return result.stdout


async def try_kubectl(command: str, kubeconfig: Path, namespace: str) -> Result:
    done = await asyncio.to_thread(
        subprocess.run,
        words_of(command, kubeconfig, namespace),
        cwd=ROOT,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
    )
    return Result(done.returncode, done.stdout, done.stderr)


def words_of(command: str, kubeconfig: Path, namespace: str) -> list[str]:
    program, *arguments = shlex.split(command, comments=True)
    assert program == "kubectl"
    kubectl = str(ensure(CONTROL_PLANE)["kubectl"])
    where = ["--kubeconfig", str(kubeconfig), "--namespace", namespace]
    is_plugin = arguments[0] == "grove"  # kubectl takes no options before the name of one
    return [kubectl, *(arguments + where if is_plugin else where + arguments)]
