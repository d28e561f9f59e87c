"""The operator as users start it: a process configured by its environment, seen from outside."""

import asyncio
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp

PROGRAM = Path(sys.executable).with_name("grove-operator")
START_PATIENCE = 60.0
STOP_PATIENCE = 30.0
WRITE_VERBS = frozenset({"create", "update", "patch", "delete", "deletecollection"})
_TICKS = os.sysconf("SC_CLK_TCK")
_SAMPLE = re.compile(
    r'^grove_operator_api_requests_total\{code="(\d+)",kind="([^"]*)",verb="([^"]*)"\} (\S+)'
)


class OperatorFailedError(Exception):
    """It ended, or was never ready; the message holds the end of its log."""


def cpu_seconds(pid: int) -> float:
    """User and system time of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


@dataclass(frozen=True)
class Operator:
    process: subprocess.Popen[bytes]
    log: Path
    probes: str
    metrics: str

    def cpu_seconds(self) -> float:
        return cpu_seconds(self.process.pid)

    def memory_peak(self) -> int:
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        found = re.search(r"^VmHWM:\s+(\d+) kB", status, re.MULTILINE)
        return int(found.group(1)) * 1024 if found else 0

    def check(self) -> None:
        if (code := self.process.poll()) is not None:
            raise OperatorFailedError(f"the operator ended with {code}\n{self.log_tail()}")

    def log_tail(self, lines: int = 20) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    async def counted_writes(self) -> int:
        """Write requests by the operator's own metrics, leases left out."""
        async with aiohttp.ClientSession() as session, session.get(self.metrics) as answer:
            text = await answer.text()
        total = 0.0
        for line in text.splitlines():
            if (found := _SAMPLE.match(line)) is not None:
                _, kind, verb, value = found.groups()
                if verb in WRITE_VERBS and not kind.lower().startswith("lease"):
                    total += float(value)
        return int(total)


@asynccontextmanager
async def running_operator(
    kubeconfig: Path, log: Path, extra: dict[str, str] | None = None, command: str = "run"
) -> AsyncIterator[Operator]:
    """Started and, if `command` is `run`, leading; ended with SIGTERM, as Kubernetes ends it."""
    probe_port, metrics_port = _free_port(), _free_port()
    environ = {
        **os.environ,
        "KUBECONFIG": str(kubeconfig),
        "GROVE_LEADER_ELECTION__ENABLED": "true",
        "GROVE_LEADER_ELECTION__RESOURCE_NAMESPACE": "default",
        "GROVE_SERVER__HEALTH_PROBES__BIND_ADDRESS": "127.0.0.1",
        "GROVE_SERVER__HEALTH_PROBES__PORT": str(probe_port),
        "GROVE_SERVER__METRICS__BIND_ADDRESS": "127.0.0.1",
        "GROVE_SERVER__METRICS__PORT": str(metrics_port),
        **(extra or {}),
    }
    process = _start(command, environ, log)
    operator = Operator(
        process,
        log,
        f"http://127.0.0.1:{probe_port}/readyz",
        f"http://127.0.0.1:{metrics_port}/metrics",
    )
    try:
        await _until_ready(operator, leads=command == "run")
        yield operator
    finally:
        await _stop(process)


def _start(command: str, environ: dict[str, str], log: Path) -> subprocess.Popen[bytes]:
    with log.open("wb") as out:
        return subprocess.Popen(
            [PROGRAM, command], env=environ, stdout=out, stderr=subprocess.STDOUT
        )


async def _until_ready(operator: Operator, *, leads: bool) -> None:
    deadline = time.monotonic() + START_PATIENCE
    async with aiohttp.ClientSession() as session:
        while True:
            operator.check()
            try:
                async with session.get(operator.probes) as answer:
                    if answer.ok and (not leads or await _leads(session, operator)):
                        return
            except aiohttp.ClientError:
                pass  # not listening yet
            if time.monotonic() > deadline:
                raise OperatorFailedError(f"the operator is not ready\n{operator.log_tail()}")
            await asyncio.sleep(0.1)


async def _leads(session: aiohttp.ClientSession, operator: Operator) -> bool:
    """A standby is ready, too; only a leader is worth measuring."""
    async with session.get(operator.metrics) as answer:
        return "\ngrove_operator_leader 1" in await answer.text()


async def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    try:
        await asyncio.to_thread(process.wait, STOP_PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
