"""`kubectl grove`, as people type it: kubectl finds the plugin and hands everything to it."""

import asyncio
import json
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.examples.catalogue import EXAMPLES, Example
from tests.examples.kubectl import ENVIRONMENT, Result, try_kubectl, words_of
from tests.support.controlplane import Kube, path_of

FIRST = Example(EXAMPLES / "00-first")
EXAMPLE = Example(EXAMPLES / "03-disaggregated")
DECODE = "disagg-0-decode"


class Shell:
    def __init__(self, kubeconfig: Path, namespace: str) -> None:
        self.kubeconfig, self.namespace = kubeconfig, namespace

    async def type(self, command: str) -> Result:
        return await try_kubectl(f"kubectl grove {command}", self.kubeconfig, self.namespace)

    async def until(self, command: str, *words: str) -> Result:
        """Type it again and again, until all of these words are in the answer."""
        result = None
        try:
            async with asyncio.timeout(60):
                while True:
                    result = await self.type(command)
                    if all(word in result.stdout for word in words):
                        return result
                    await asyncio.sleep(0.5)
        except TimeoutError:
            pytest.fail(f"{command} never told of {words}, but {result}")


@pytest.fixture
def shell(operator: Path, namespace: str) -> Shell:
    return Shell(operator, namespace)


async def test_tells_why_and_draws(shell: Shell, kube: Kube) -> None:
    assert (await shell.type("why")).stdout == "There are no PodCliqueSets.\n"
    await kube.create_all(EXAMPLE.text, shell.namespace)
    runs = await shell.until("why", "PodCliqueSet disagg runs: 9 of 9 pods ready")
    assert runs.code == 0

    group = path_of("grove.io/v1alpha1", "podcliquescalinggroups", shell.namespace, DECODE)
    await kube.patch(group, {"spec": {"replicas": 2}})
    await shell.until("why", "PodCliqueSet disagg runs: 13 of 13 pods ready")
    # The nodes are full now, so it is this gang that finds no room and no other.
    await kube.patch(group, {"spec": {"replicas": 3}})
    blocked = await shell.until("why", "PodCliqueSet disagg is blocked (InsufficientCapacity)")
    assert blocked.code == 1
    gang = await shell.type(f"why pg/{DECODE}-1")
    assert gang.code == 1
    assert gang.stdout.startswith(f"PodGang {DECODE}-1 is blocked (InsufficientCapacity): d")
    assert "nvidia.com/gpu" in gang.stdout
    assert "runs: 1 of 1 pod ready" in (await shell.type("why disagg-0-router")).stdout
    assert (await shell.type(f"why pcsg/{DECODE}")).code == 1

    [told] = json.loads((await shell.type("why disagg -o json")).stdout)
    wanted = {"kind": "PodCliqueSet", "name": "disagg", "namespace": shell.namespace}
    assert wanted.items() <= told.items()
    assert (told["state"], told["reason"]) == ("Blocked", "InsufficientCapacity")

    drawn = (await shell.type("tree disagg")).stdout.splitlines()
    assert drawn[0].startswith("disagg  PodCliqueSet, ")
    assert any(f"{DECODE}-1  scaled gang, Pending, 0 of 4 pods ready" in line for line in drawn)
    assert any("InsufficientCapacity: d" in line for line in drawn)
    assert sum("  Ready  gpu-0" in line for line in drawn) == 13

    everywhere = (await shell.type("why --all-namespaces")).stdout
    assert f"{shell.namespace}: PodCliqueSet disagg is blocked" in everywhere
    await kube.delete(path_of("grove.io/v1alpha1", "podcliquesets", shell.namespace, "disagg"))
    await kube.wait_gone(path_of("v1", "pods", shell.namespace), 60)


async def test_watching_draws_each_change_until_interrupted(shell: Shell, kube: Kube) -> None:
    words = words_of("kubectl grove tree --watch", shell.kubeconfig, shell.namespace)
    process = await asyncio.create_subprocess_exec(
        *words, env=ENVIRONMENT, stdout=asyncio.subprocess.PIPE, preexec_fn=_heed_interrupts
    )
    assert process.stdout
    try:
        async with asyncio.timeout(60):
            assert await process.stdout.readline() == b"There are no PodCliqueSets.\n"
            await kube.create_all(FIRST.text, shell.namespace)
            while b"Running, 3 of 3 pods ready" not in await process.stdout.readline():
                pass
            process.send_signal(signal.SIGINT)
            assert await process.wait() == 130
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def _heed_interrupts() -> None:
    """A shell starts what runs in the background, tests for instance, deaf to Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("why nobody", "nobody: no part of a PodCliqueSet of that name in namespace "),
        ("why pcs/nobody", "pcs/nobody: no PodCliqueSet of that name in namespace "),
        ("why deploy/x", "deploy/x: deploy is none of PodCliqueSet, PodGang, "),
        ("why nobody -A", "a name needs a namespace: use -n instead of -A"),
        ("tree nobody", "nobody: no PodCliqueSet of that name in namespace "),
    ],
)
async def test_what_is_not_there_is_an_error(shell: Shell, command: str, words: str) -> None:
    result = await shell.type(command)
    assert (result.code, result.stdout) == (2, "")
    assert result.stderr.startswith(words)


async def test_a_cluster_that_is_away_is_an_error(shell: Shell, tmp_path: Path) -> None:
    away = tmp_path / "kubeconfig"
    away.write_text(shell.kubeconfig.read_text().replace("https://", "https://127.0.0.1:1/"))
    result: Any = await Shell(away, "default").type("why")
    assert result.code == 2
    assert "ConnectionLost" in result.stderr
    assert len(result.stderr.splitlines()) == 1
