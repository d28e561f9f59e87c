"""The demo's operator and webhook: processes that outlive the demo, found again by pid files."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

LOCAL = Path(__file__).resolve().parents[2] / ".local"
PROGRAM = Path(sys.executable).with_name("grove-operator")
READY_PATIENCE = 30.0
STOP_PATIENCE = 20.0


class BackgroundError(Exception):
    """A process cannot be started, or it ended; the message tells what to do."""


@dataclass(frozen=True)
class Role:
    """What a process is for: `command` starts it, `name` is what people read."""

    name: str
    command: str

    @property
    def pid_file(self) -> Path:
        return LOCAL / f"{self.name}.pid"

    @property
    def log_file(self) -> Path:
        return LOCAL / f"{self.name}.log"


OPERATOR = Role("operator", "run")
WEBHOOK = Role("webhook", "webhook")


@dataclass(frozen=True)
class Background:
    """A running process."""

    role: Role
    pid: int
    metrics: str

    def check(self) -> None:
        if not _runs(self.pid):
            raise BackgroundError(
                f"the {self.role.name} has ended; its last words:\n{_tail(self.role)}"
            )


def start(role: Role, kubeconfig: Path, **environment: str) -> Background:
    """Start it anew, so that it runs the code as it is now; ready on return."""
    if not PROGRAM.exists():
        raise BackgroundError(f"{PROGRAM.name} is not installed here; run `make setup` first")
    stop(role)
    probes, metrics = free_port(), free_port()
    environ = {
        **os.environ,
        "KUBECONFIG": str(kubeconfig),
        "GROVE_LOG_FORMAT": "text",
        "GROVE_SERVER__HEALTH_PROBES__BIND_ADDRESS": "127.0.0.1",
        "GROVE_SERVER__HEALTH_PROBES__PORT": str(probes),
        "GROVE_SERVER__METRICS__BIND_ADDRESS": "127.0.0.1",
        "GROVE_SERVER__METRICS__PORT": str(metrics),
        "GROVE_TOPOLOGY_AWARE_SCHEDULING__ENABLED": "true",
        **environment,
    }
    LOCAL.mkdir(exist_ok=True)
    with role.log_file.open("wb") as log:
        process = subprocess.Popen(
            [PROGRAM, role.command],
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C in the demo must not end it
        )
    role.pid_file.write_text(f"{process.pid}\n")
    background = Background(role, process.pid, f"http://127.0.0.1:{metrics}/metrics")
    try:
        _wait_until_ready(role, process, f"http://127.0.0.1:{probes}/readyz")
    except BaseException:
        stop(role)
        raise
    return background


def stop(role: Role) -> bool:
    """End the process of an earlier demo; says whether there was one."""
    try:
        pid = int(role.pid_file.read_text())
    except (FileNotFoundError, ValueError):
        return False
    found = _runs(pid)
    if found:
        os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + STOP_PATIENCE
        while _runs(pid) and time.monotonic() < deadline:
            time.sleep(0.05)
        if _runs(pid):
            os.kill(pid, signal.SIGKILL)
    role.pid_file.unlink(missing_ok=True)
    return found


def _runs(pid: int) -> bool:
    """Whether that process is one that we started: a pid may have been reused."""
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][:1]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z" and b"grove-operator" in command


def _wait_until_ready(role: Role, process: subprocess.Popen[bytes], probe: str) -> None:
    deadline = time.monotonic() + READY_PATIENCE
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise BackgroundError(f"the {role.name} ended at once; its last words:\n{_tail(role)}")
        try:
            with urllib.request.urlopen(probe, timeout=2):
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.1)
    raise BackgroundError(f"the {role.name} is not ready; its last words:\n{_tail(role)}")


def _tail(role: Role, lines: int = 15) -> str:
    return "\n".join(role.log_file.read_text(errors="replace").splitlines()[-lines:])


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
