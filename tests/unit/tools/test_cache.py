"""Two runs at once, and runs that are killed: the cache is never half used."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tests.unit.tools.toolsupport import builds, fake_go

ENSURE = """
import os, pathlib, sys
from tests.unit.tools.toolsupport import fake_toolset
from tools.localcluster.acquire import ensure
print(ensure(fake_toolset(pathlib.Path(sys.argv[1])), os.environ).source)
"""
ROOT = Path(__file__).resolve().parents[3]


def test_a_second_run_waits_and_says_so(tmp_path: Path) -> None:
    go = fake_go(tmp_path / "go")
    (go / "hold").touch()
    with _run(tmp_path, go) as first:
        _until(lambda: builds(go) == 1)
        with _run(tmp_path, go) as second:
            assert second.stderr is not None
            said = second.stderr.readline()
            (go / "hold").unlink()
            outputs = [first.communicate(timeout=20)[0], second.communicate(timeout=20)[0]]
    assert said == (f"waiting for process {first.pid} to finish making the fake binaries: 0 s\n")
    assert outputs == ["build from Go modules\n", "cache\n"]
    assert builds(go) == 1


def test_a_killed_build_is_done_again(tmp_path: Path) -> None:
    go = fake_go(tmp_path / "go")
    (go / "hold").touch()
    with _run(tmp_path, go) as killed:
        _until(lambda: builds(go) == 1)
        killed.send_signal(signal.SIGKILL)
        # The compiler it started holds its output open until it is let go.
        (go / "hold").unlink()
        killed.communicate(timeout=20)
    work = tmp_path / "cache" / "work"
    assert len(list(work.iterdir())) == 1
    with _run(tmp_path, go) as again:
        assert again.communicate(timeout=20)[0] == "build from Go modules\n"
    assert not any(work.iterdir())


def _run(folder: Path, go: Path) -> subprocess.Popen[str]:
    environ = {
        **os.environ,
        "GROVE_TOOLS_CACHE": str(folder / "cache"),
        "PATH": f"{go}{os.pathsep}{os.environ['PATH']}",
    }
    for variable in ("GROVE_ASSETS", "KUBEBUILDER_ASSETS"):
        environ.pop(variable, None)
    return subprocess.Popen(
        [sys.executable, "-c", ENSURE, str(folder)],
        cwd=ROOT,
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)  # another process's file: there is nothing to be woken by
