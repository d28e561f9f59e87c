"""Runs a kubectl line as a page shows it, in a namespace of the test's own."""

import asyncio
import shlex
import subprocess
from pathlib import Path

from tests.examples.catalogue import ROOT
from tools.localcluster import ensure
from tools.localcluster.toolsets import CONTROL_PLANE


async def run_kubectl(command: str, kubeconfig: Path, namespace: str) -> str:
    program, *arguments = shlex.split(command, comments=True)
    assert program == "kubectl"
    kubectl = str(ensure(CONTROL_PLANE)["kubectl"])
    result = await asyncio.to_thread(
        subprocess.run,
        [kubectl, "--kubeconfig", str(kubeconfig), "--namespace", namespace, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, f"{command}\n{result.stderr}"
    return result.stdout
