"""Fixtures for every test: one control plane per session, one namespace per test, no leaked tasks.

`control_plane` starts a cluster with a name and ports of its own, or uses the one that
GROVE_TEST_KUBECONFIG names. Where neither can be had, tests marked `cluster` are skipped, and the
last lines of the output say what was left out and why.
"""

import asyncio
import inspect
import os
import signal
import uuid
from collections.abc import AsyncIterator, Generator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.controlplane import Kube, path_of
from tests.support.privileges import under_audit
from tests.support.webhook import BYPASS
from tools.localcluster import AcquisitionError, LocalCluster, ensure
from tools.localcluster.acquire import Binaries
from tools.localcluster.cluster import sweep
from tools.localcluster.toolsets import CONTROL_PLANE

LOCAL = Path(__file__).resolve().parents[1] / ".local"
WORKDIR = LOCAL / "kwok-tests"
LEFT_OUT = LOCAL / "tests-left-out.txt"
KUBECONFIG_VARIABLE = "GROVE_TEST_KUBECONFIG"


def pytest_configure() -> None:
    # A CI job that is cancelled gets SIGTERM; like Ctrl-C it must not leave clusters behind.
    signal.signal(signal.SIGTERM, signal.default_int_handler)


@dataclass(frozen=True)
class ControlPlane:
    """The cluster under test. `local` is None for a cluster that was given from outside."""

    kubeconfig: Path
    local: LocalCluster | None


@pytest.fixture(scope="session")
def control_plane_binaries() -> Binaries:
    try:
        return ensure(CONTROL_PLANE)
    except AcquisitionError as error:
        pytest.skip(f"no control plane: {error}")


@pytest.fixture(scope="session")
def control_plane(request: pytest.FixtureRequest) -> Iterator[ControlPlane]:
    if given := os.environ.get(KUBECONFIG_VARIABLE):
        yield ControlPlane(Path(given), None)
        return
    request.getfixturevalue("control_plane_binaries")
    # What a killed run could not remove is removed by the next one.
    sweep()
    name = f"tests-{os.getpid()}-{uuid.uuid4().hex[:4]}"
    options = under_audit(strict=True)
    with LocalCluster.create(name, WORKDIR, options, owner_pid=os.getpid()) as cluster:
        yield ControlPlane(cluster.kubeconfig, cluster)


@pytest.fixture
async def kube(control_plane: ControlPlane) -> AsyncIterator[Kube]:
    async with Kube.from_kubeconfig(control_plane.kubeconfig) as client:
        yield client


@pytest.fixture
async def namespace(kube: Kube, request: pytest.FixtureRequest) -> AsyncIterator[str]:
    """A fresh namespace in which pods can be made; its deletion is not waited for.

    Tests marked `unguarded` get one that admission leaves alone.
    """
    name = f"test-{uuid.uuid4().hex[:8]}"
    metadata: dict[str, object] = {"name": name}
    if request.node.get_closest_marker("unguarded"):
        metadata["labels"] = {BYPASS: "yes"}
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}
    await kube.create(path_of("v1", "namespaces"), body)
    await kube.wait_for(path_of("v1", "serviceaccounts", name, "default"), bool)
    yield name
    await kube.delete(path_of("v1", "namespaces", name=name))


@pytest.fixture(autouse=True)
def _leaked_tasks(request: pytest.FixtureRequest) -> None:
    """Set up before all other fixtures, so the check comes after they have cleaned up."""
    if inspect.iscoroutinefunction(getattr(request, "function", None)):
        request.getfixturevalue("_no_leaked_tasks")


@pytest.fixture
async def _no_leaked_tasks() -> AsyncIterator[None]:
    before = asyncio.all_tasks()
    yield
    for _ in range(3):  # a task that was just cancelled needs a turn or two to end
        await asyncio.sleep(0)
    current = asyncio.current_task()
    leaked = [t for t in asyncio.all_tasks() - before if t is not current and not t.done()]
    if leaked:
        listed = "\n".join(sorted(map(str, leaked)))
        pytest.fail(f"{len(leaked)} tasks still run after the test:\n{listed}", pytrace=False)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whoever uses the control plane is marked; whoever is marked needs its binaries."""
    for item in items:
        fixtures: list[str] = getattr(item, "fixturenames", [])
        if "control_plane" in fixtures:
            item.add_marker("cluster")
        elif item.get_closest_marker("cluster"):
            fixtures.insert(0, "control_plane_binaries")


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter,
) -> Generator[None, None, None]:
    """Skipped tests must not look like passed ones: every reason comes last, before the totals."""
    yield
    reasons: dict[str, int] = {}
    for report in terminalreporter.stats.get("skipped", ()):
        text = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        reason = text.removeprefix("Skipped: ")
        reasons[reason] = reasons.get(reason, 0) + 1
    if deselected := len(terminalreporter.stats.get("deselected", ())):
        reasons["deselected on the command line"] = deselected
    lines = [f"LEFT OUT {count} tests: {reason}" for reason, count in sorted(reasons.items())]
    if lines:
        terminalreporter.section("NOT EVERY TEST RAN", red=True, bold=True)
        for line in lines:
            terminalreporter.line(line, red=True)
    LOCAL.mkdir(exist_ok=True)
    LEFT_OUT.write_text("\n".join(lines or ["Nothing was left out: every test ran."]) + "\n")
