"""The operator as users run it: a process of its own that tests start, kill, stop and look into.

    with OperatorProcess(kubeconfig, folder, GROVE_CACHE__RELIST_INTERVAL="2s") as operator:
        ...
        operator.kill()          # as the kernel would, without any farewell
        operator.start()
        operator.wait_ready()

Leaving the block stops it with SIGTERM and fails unless it ends with 0. Its log goes to a file;
its end is shown whenever something here fails. All methods block; in a test whose event loop also
runs the fault proxy call them through `asyncio.to_thread`.
"""

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from tests.support.builders import IMAGE

READY_PATIENCE: Final = 60.0
STOP_PATIENCE: Final = 40.0
_GLANCE: Final = 0.05
_SHOWN_LINES: Final = 40
_SAMPLE: Final = re.compile(r"(?P<name>[a-zA-Z_:][\w:]*)(?:\{(?P<labels>.*)\})? (?P<value>\S+)")
_LABEL: Final = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
_READING: Final = frozenset({"get", "list", "watch"})


class OperatorFailedError(AssertionError):
    """The process did not do what was asked of it; the message shows the end of its log."""


@dataclass(frozen=True)
class Answer:
    """What an endpoint of the operator said; status 0 means that nobody listens."""

    status: int
    text: str


@dataclass(frozen=True)
class Sample:
    """One line of the metrics page."""

    name: str
    labels: Mapping[str, str]
    value: float


class OperatorProcess:
    """One operator. Ports are chosen once, so a restarted process is found where it was."""

    COMMAND = "run"

    def __init__(self, kubeconfig: Path, folder: Path, **environment: str) -> None:
        self.kubeconfig = kubeconfig
        self.log = folder / f"{self.COMMAND}-{id(self):x}.log"
        self._health_port, self._metrics_port = free_ports(2)
        self._environment = {
            "KUBECONFIG": str(kubeconfig),
            "GROVE_SERVER__HEALTH_PROBES__PORT": str(self._health_port),
            "GROVE_SERVER__METRICS__PORT": str(self._metrics_port),
            "GROVE_SERVER__HEALTH_PROBES__BIND_ADDRESS": "127.0.0.1",
            "GROVE_SERVER__METRICS__BIND_ADDRESS": "127.0.0.1",
            "GROVE_INIT_CONTAINER_IMAGE": IMAGE,
            **environment,
        }
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        try:
            self.wait_ready()
        except BaseException:
            self.kill()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is not None:
            self.kill()
        elif self.running:
            code = self.stop()
            if code != 0:
                raise self._failed(f"the operator ended with {code}")

    # Its life

    def start(self) -> None:
        assert not self.running, "it runs already"
        environ = {
            key: value for key, value in os.environ.items() if not key.startswith("GROVE_")
        } | self._environment
        with self.log.open("ab") as out:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "grove_operator", self.COMMAND],
                env=environ,
                stdout=out,
                stderr=subprocess.STDOUT,
            )

    def kill(self) -> None:
        """SIGKILL; harmless if it has ended already."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def stop(self, patience: float = STOP_PATIENCE) -> int:
        """SIGTERM, then wait; gives the exit code."""
        assert self._process is not None
        self._process.terminate()
        return self.wait_ended(patience)

    def wait_ended(self, patience: float = STOP_PATIENCE) -> int:
        assert self._process is not None
        try:
            return self._process.wait(patience)
        except subprocess.TimeoutExpired:
            self.kill()
            raise self._failed(f"the operator did not end within {patience:g} s") from None

    def freeze(self) -> None:
        """SIGSTOP: alive, but deaf, as a process that gets no CPU."""
        self.signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self.signal(signal.SIGCONT)

    def signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    # What it says

    def readyz(self) -> Answer:
        return self._ask(self._health_port, "/readyz")

    def healthz(self) -> Answer:
        return self._ask(self._health_port, "/healthz")

    def wait_ready(self, patience: float = READY_PATIENCE) -> None:
        """Until its caches are filled; a standby becomes ready, too."""
        self.wait_until(lambda: self.readyz().status == 200, "ready", patience)

    def wait_listening(self, patience: float = READY_PATIENCE) -> None:
        """Until it answers at all, ready or not."""
        self.wait_until(lambda: self.readyz().status != 0, "listening", patience)

    def wait_leading(self, patience: float = READY_PATIENCE) -> None:
        self.wait_until(lambda: self.metric("grove_operator_leader") == 1, "leading", patience)

    def wait_until(
        self, check: Callable[[], bool], what: str, patience: float = READY_PATIENCE
    ) -> None:
        """Ask again and again; there is nothing to watch on a process."""
        deadline = time.monotonic() + patience
        while not check():
            if not self.running:
                raise self._failed("the operator ended by itself")
            if time.monotonic() > deadline:
                said = self.readyz()
                raise self._failed(f"not {what} after {patience:g} s; /readyz says:\n{said.text}")
            time.sleep(_GLANCE)

    def samples(self) -> Iterator[Sample]:
        """Every sample of the metrics page; none while nobody listens."""
        for line in self.metrics_page().splitlines():
            match = _SAMPLE.fullmatch(line)
            if match and not line.startswith("#"):
                found = dict(_LABEL.findall(match["labels"] or ""))
                yield Sample(match["name"], found, float(match["value"]))

    def metrics_page(self) -> str:
        return self._ask(self._metrics_port, "/metrics").text

    def metric(self, name: str, **labels: str) -> float:
        """Sum over the samples of that name whose labels include these."""
        wanted = labels.items()
        return sum(
            sample.value
            for sample in self.samples()
            if sample.name == name and wanted <= sample.labels.items()
        )

    def writes(self) -> int:
        """Requests so far that change something; the lease and events are not counted."""
        return sum(
            int(sample.value)
            for sample in self.samples()
            if sample.name == "grove_operator_api_requests_total"
            and sample.labels["verb"].lower() not in _READING
            and sample.labels["kind"] not in {"Lease", "Event"}
        )

    def requests(self) -> int:
        return int(self.metric("grove_operator_api_requests_total"))

    def tail(self, lines: int = _SHOWN_LINES) -> str:
        if not self.log.exists():
            return "(no log)"
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def _failed(self, what: str) -> OperatorFailedError:
        return OperatorFailedError(f"{what}\nThe end of its log:\n{self.tail()}")

    def _ask(self, port: int, path: str) -> Answer:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as response:
                return Answer(response.status, response.read().decode())
        except urllib.error.HTTPError as error:
            with error:
                return Answer(error.code, error.read().decode())
        except (urllib.error.URLError, ConnectionError, TimeoutError) as error:
            return Answer(0, str(error))


def free_ports(count: int) -> list[int]:
    """Different from each other; somebody else may still take one, which start-up would show."""
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]
