"""`python -m bench.admission`: how long admission takes, at rest and while 1000 pods come up.

Reviews of a set of 20 cliques go to the webhook process over HTTPS, as the API server sends them,
and whole dry-run creations go to the API server. `same pods` differ in name only, as when a user
applies a set again; with `new pods` every clique's pod is one that the process has never seen, so
each costs a dry run at the API server, which the API server's own load then decides. The first row
is a request that asks for nothing: what the machine and HTTPS take of all others.
"""

import argparse
import asyncio
import contextlib
import json
import ssl
import statistics
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any

import aiohttp
import uvloop
from rich.console import Console
from rich.table import Table

from bench.observe import observing
from bench.operator import Operator, running_operator
from bench.run import WORKDIR, Plan, bench_cluster
from bench.shapes import FLAT
from bench.wire import Wire
from tools.demo.background import free_port
from tools.demo.webhooks import register_webhooks, webhook_environment
from tools.localcluster import LocalCluster
from tools.localcluster.api import read_kubeconfig

CLIQUES = 20
PODS = 1000
USERS = 2
PAUSE = 0.05
"""Each user waits for the answer, and then this many seconds: a busy cluster, not a stress test."""
NAMESPACE = "bench-admission"
_DEFAULT = "/webhooks/default-podcliqueset"
SETS = "/apis/grove.io/v1alpha1/namespaces/{}/podcliquesets"

Body = dict[str, Any]
Send = Callable[[int], Awaitable[None]]


def a_set(number: int, *, new_pods: bool) -> Body:
    """Twenty cliques, of which twelve are in four scaling groups."""
    mark = number if new_pods else 0
    cliques = [_clique(f"c{index}", index, mark) for index in range(CLIQUES)]
    groups = [
        {
            "name": f"g{index}",
            "cliqueNames": [f"c{8 + 3 * index + member}" for member in range(3)],
            "replicas": 2,
            "minAvailable": 1,
        }
        for index in range(4)
    ]
    return {
        "apiVersion": "grove.io/v1alpha1",
        "kind": "PodCliqueSet",
        "metadata": {"name": f"s{number}", "namespace": NAMESPACE},
        "spec": {
            "replicas": 2,
            "template": {
                "cliqueStartupType": "CliqueStartupTypeExplicit",
                "terminationDelay": "4h0m0s",
                "headlessServiceConfig": {"publishNotReadyAddresses": True},
                "cliques": cliques,
                "podCliqueScalingGroups": groups,
            },
        },
    }


def _clique(name: str, index: int, mark: int) -> Body:
    container = {
        "name": "engine",
        "image": "registry.example/engine:1",
        "args": ["--role", name, "--mark", str(mark)],
        "env": [{"name": f"OPTION_{number}", "value": str(number)} for number in range(20)],
        "resources": {"requests": {"cpu": "1", "memory": "1Gi"}},
    }
    return {
        "name": name,
        "spec": {
            "roleName": name,
            "replicas": 2,
            "minAvailable": 1,
            "startsAfter": [f"c{index - 1}"] if index else [],
            "podSpec": {
                "containers": [container],
                "restartPolicy": "Always",
                "terminationGracePeriodSeconds": 30,
            },
        },
    }


def review(body: Body) -> Body:
    return {
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": body["metadata"]["name"],
            "operation": "CREATE",
            "resource": {"group": "grove.io", "version": "v1alpha1", "resource": "podcliquesets"},
            "userInfo": {"username": "bench"},
            "object": body,
            "oldObject": None,
        },
    }


@dataclass
class Row:
    """Seconds of each request."""

    what: str
    when: str
    seconds: list[float] = field(default_factory=list)

    def percentile(self, percent: int) -> float:
        return statistics.quantiles(self.seconds, n=100, method="inclusive")[percent - 1] * 1000


@dataclass(frozen=True)
class Ground:
    """Where requests go to."""

    webhook: aiohttp.ClientSession
    wire: Wire

    async def nothing(self, number: int) -> None:
        """A review of that size which is refused before anybody reads it."""
        body = json.dumps(review(a_set(number, new_pods=False))).encode()
        headers = {"Content-Type": "text/plain"}
        async with self.webhook.post(_DEFAULT, data=body, headers=headers) as answer:
            await answer.read()
        if answer.status != HTTPStatus.UNSUPPORTED_MEDIA_TYPE:
            raise RuntimeError(f"expected a refusal, got {answer.status}")

    async def default(self, number: int) -> None:
        await self._ask(_DEFAULT, a_set(number, new_pods=False))

    async def validate_same(self, number: int) -> None:
        await self._ask("/webhooks/validate-podcliqueset", a_set(number, new_pods=False))

    async def validate_new(self, number: int) -> None:
        await self._ask("/webhooks/validate-podcliqueset", a_set(number, new_pods=True))

    async def create(self, number: int) -> None:
        path = f"{SETS.format(NAMESPACE)}?dryRun=All"
        await self.wire.send("POST", path, a_set(number, new_pods=False))

    async def _ask(self, path: str, body: Body) -> None:
        async with self.webhook.post(path, json=review(body)) as answer:
            response = (await answer.json())["response"]
        if not response["allowed"]:
            raise RuntimeError(f"refused: {response['status']['message'][:500]}")


class Numbers:
    """Each set has a number of its own."""

    def __init__(self) -> None:
        self._last = 0

    def next(self) -> int:
        self._last += 1
        return self._last


async def measure(row: Row, send: Send, numbers: Numbers, end: float) -> Row:
    async def user() -> None:
        while time.monotonic() < end:
            number = numbers.next()
            start = time.perf_counter()
            await send(number)
            row.seconds.append(time.perf_counter() - start)
            await asyncio.sleep(PAUSE)

    await asyncio.gather(*(user() for _ in range(USERS)))
    return row


async def run(cluster: LocalCluster, seconds: float, say: Callable[[str], None]) -> list[Row]:
    server, tls = read_kubeconfig(cluster.kubeconfig)
    port = free_port()
    register_webhooks(cluster, port)
    numbers = Numbers()
    rows: list[Row] = []
    trusting = ssl.create_default_context()
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    async with (
        Wire(server, tls) as wire,
        running_operator(
            cluster.kubeconfig, WORKDIR / "webhook.log", webhook_environment(port), "webhook"
        ) as webhook,
        running_operator(cluster.kubeconfig, WORKDIR / "operator-admission.log") as operator,
        aiohttp.ClientSession(
            f"https://127.0.0.1:{port}", connector=aiohttp.TCPConnector(ssl=trusting)
        ) as session,
    ):
        await wire.create(
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
        )
        ground = Ground(session, wire)
        for when, busy in (("at rest", False), (f"while {PODS} pods come up", True)):
            for what, send in (
                ("nothing, refused unread", ground.nothing),
                ("default, 20 cliques", ground.default),
                ("validate, same pods", ground.validate_same),
                ("validate, new pods", ground.validate_new),
                ("dry-run create at the API server, same pods", ground.create),
            ):
                say(f"{what}, {when}")
                await send(numbers.next())
                load = _bringing_up(wire, len(rows)) if busy else contextlib.nullcontext()
                async with load:
                    end = time.monotonic() + seconds
                    row = Row(what, when)
                    rows.append(await measure(row, send, numbers, end))
                _check(webhook, operator)
        say(f"webhook process: {webhook.memory_peak() / 2**20:.0f} MiB at most")
    return rows


@contextlib.asynccontextmanager
async def _bringing_up(wire: Wire, number: int) -> AsyncIterator[None]:
    """Have the operator bring up 1000 pods meanwhile, and remove them at the end."""
    name = f"load-{number}"
    await wire.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    body = FLAT.podcliqueset(name, PODS)
    async with observing(wire, name, PODS) as progress:
        await wire.create(body)
        yield
        await progress.until("created")
        await wire.send("DELETE", f"{SETS.format(name)}/{FLAT.name}")
        await progress.until("gone")


def _check(*processes: Operator) -> None:
    for process in processes:
        process.check()


def build_table(rows: list[Row]) -> Table:
    table = Table(title=f"Admission of a set of {CLIQUES} cliques, ms", title_justify="left")
    for title in ("what", "when", "requests", "p50", "p90", "p99", "max"):
        table.add_column(title, justify="left" if title in {"what", "when"} else "right")
    for row in rows:
        figures = [f"{row.percentile(percent):.1f}" for percent in (50, 90, 99)]
        longest = f"{max(row.seconds) * 1000:.1f}"
        table.add_row(row.what, row.when, str(len(row.seconds)), *figures, longest)
    return table


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="python -m bench.admission",
        description="How long admission takes, at rest and while 1000 pods come up.",
    )
    made.add_argument("--seconds", type=float, default=12.0, help="for each row")
    made.add_argument("--json", type=Path, help="file to write")
    return made


def main(argv: Sequence[str] | None = None) -> int:
    args = parser().parse_args(argv)
    console = Console(width=None if sys.stdout.isatty() else 140)
    with bench_cluster(Plan((FLAT,), PODS, floors=False)) as cluster:
        rows = uvloop.run(run(cluster, args.seconds, console.print))
    console.print(build_table(rows))
    if args.json:
        args.json.write_text(json.dumps([vars(row) for row in rows]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
