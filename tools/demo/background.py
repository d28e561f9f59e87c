"""The demo's operator: a process that outlives the demo, found again by its pid file."""

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
PID_FILE = LOCAL / "operator.pid"
LOG_FILE = LOCAL / "operator.log"
PROGRAM = Path(sys.executable).with_name("grove-operator")
READY_PATIENCE = 30.0
STOP_PATIENCE = 20.0


class OperatorError(Exception):
    """The operator cannot be started, or it ended; the message tells what to do."""


@dataclass(frozen=True)
class BackgroundOperator:
    pid: int
    metrics: str

    def check(self) -> None:
        if not _runs(self.pid):
            raise OperatorError(f"the operator has ended; its last words:\n{_tail()}")


def start(kubeconfig: Path) -> BackgroundOperator:
    """Start it anew, so that it runs the code as it is now; ready on return."""
    if not PROGRAM.exists():
        raise OperatorError(f"{PROGRAM.name} is not installed here; run `make setup` first")
    stop()
    probes, metrics = free_port(), free_port()
    environ = {
        **os.environ,
        "KUBECONFIG": str(kubeconfig),
        "GROVE_LOG_FORMAT": "text",
        "GROVE_SERVER__HEALTH_PROBES__BIND_ADDRESS": "127.0.0.1",
        "GROVE_SERVER__HEALTH_PROBES__PORT": str(probes),
        "GROVE_SERVER__METRICS__BIND_ADDRESS": "127.0.0.1",
        "GROVE_SERVER__METRICS__PORT": str(metrics),
    }
    LOCAL.mkdir(exist_ok=True)
    with LOG_FILE.open("wb") as log:
        process = subprocess.Popen(
            [PROGRAM, "run"],
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C in the demo must not end it
        )
    PID_FILE.write_text(f"{process.pid}\n")
    operator = BackgroundOperator(process.pid, f"http://127.0.0.1:{metrics}/metrics")
    try:
        _wait_until_ready(process, f"http://127.0.0.1:{probes}/readyz")
    except BaseException:
        stop()
        raise
    return operator


def stop() -> bool:
    """End the operator of an earlier demo; says whether there was one."""
    try:
        pid = int(PID_FILE.read_text())
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
    PID_FILE.unlink(missing_ok=True)
    return found


def _runs(pid: int) -> bool:
    """Whether that process is an operator that we started: a pid may have been reused."""
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][:1]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z" and b"grove-operator" in command


def _wait_until_ready(process: subprocess.Popen[bytes], probe: str) -> None:
    deadline = time.monotonic() + READY_PATIENCE
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise OperatorError(f"the operator ended at once; its last words:\n{_tail()}")
        try:
            with urllib.request.urlopen(probe, timeout=2):
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.1)
    raise OperatorError(f"the operator is not ready; its last words:\n{_tail()}")


def _tail(lines: int = 15) -> str:
    return "\n".join(LOG_FILE.read_text(errors="replace").splitlines()[-lines:])


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
