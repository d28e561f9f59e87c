"""Starts the processes of a cluster and says truthfully whether they are usable.

kwokctl reports success as soon as the API server answers. A component that ended at once, mostly
because its port was taken in the meantime or a flag is wrong, is found here: the first is tried
again with other ports, the second is reported with the end of that component's log.
"""

import http.client
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from tools.localcluster import processes
from tools.localcluster.acquire import Binaries
from tools.localcluster.api import ApiClient, ApiRefusalError
from tools.localcluster.configuration import (
    PORT_OPTIONS,
    ClusterOptions,
    Parts,
    audit_policy,
    build_configuration,
    simulator_configuration,
)
from tools.localcluster.errors import ClusterError
from tools.localcluster.layout import Layout
from tools.localcluster.metrics import api_documents, usage_documents
from tools.localcluster.ports import PortRegistry
from tools.localcluster.toolsets import KUBERNETES_VERSION

CREATE_TIMEOUT = 180.0
READY_TIMEOUT = 60.0
STOP_TIMEOUT = 60.0
PORT_TRIES = 4

_POLL = 0.1
_LOG_LINES = 12
_LOG_WIDTH = 400
_PORT_TAKEN = "address already in use"


def start(
    layout: Layout,
    options: ClusterOptions,
    control_plane: Binaries,
    metrics_server: Binaries | None,
) -> dict[str, int]:
    """Run kwokctl; when a port was taken between choosing and binding, try with others."""
    parts = _write_parts(layout, options, control_plane, metrics_server)
    registry = PortRegistry()
    for attempt in range(1, PORT_TRIES + 1):
        chosen = registry.reserve(layout.state_folder, len(PORT_OPTIONS))
        ports = dict(zip(PORT_OPTIONS, chosen, strict=True))
        configuration = _write_configuration(layout, options, parts, ports)
        failure = _run_kwokctl(layout, control_plane, configuration) or _sickness(layout)
        if not failure:
            return ports
        port_taken = any(_PORT_TAKEN in log.read_text(errors="replace") for log in _logs(layout))
        failure += _ends_of_logs(layout)
        processes.end(layout.cluster_folder, None, signal.SIGKILL, STOP_TIMEOUT)
        shutil.rmtree(layout.cluster_folder, ignore_errors=True)
        registry.release(layout.state_folder)
        if not port_taken or attempt == PORT_TRIES:
            raise ClusterError(f"cluster {layout.name} did not start: {failure}")
    raise AssertionError("the loop returns or raises")


def wait_until_ready(kubeconfig: Path, *also: str) -> None:
    """Until the API server is ready and pods can be made, which needs a service account."""
    with ApiClient(kubeconfig) as client:
        poll(lambda: _unserved(client, *also), "the control plane is not ready")


def poll(
    missing: Callable[[], str], what: str, timeout: float = READY_TIMEOUT, every: float = _POLL
) -> None:
    """Until nothing is missing any more; what still is goes into the error."""
    deadline = time.monotonic() + timeout
    while lacks := missing():
        if time.monotonic() > deadline:
            raise ClusterError(f"{what} after {timeout:.0f} s: {lacks}")
        time.sleep(every)


def definitions(layout: Layout) -> dict[str, dict[str, Any]]:
    """Components as kwokctl recorded them, in the order in which they depend on each other."""
    text = (layout.cluster_folder / "kwok.yaml").read_text()
    return {
        component["name"]: component
        for document in yaml.load_all(text, yaml.CSafeLoader)
        for component in (document or {}).get("components") or ()
    }


def _write_parts(
    layout: Layout,
    options: ClusterOptions,
    control_plane: Binaries,
    metrics_server: Binaries | None,
) -> Parts:
    policy = layout.state_folder / "audit-policy.yaml"
    policy.write_text(yaml.safe_dump(audit_policy(options)))
    manifests = layout.state_folder / "metrics-api"
    manifests.mkdir()
    (manifests / "kustomization.yaml").write_text("resources: [objects.yaml]\n")
    (manifests / "objects.yaml").write_text(yaml.safe_dump_all(api_documents()))
    return Parts(control_plane, metrics_server, policy, manifests)


def _write_configuration(
    layout: Layout, options: ClusterOptions, parts: Parts, ports: dict[str, int]
) -> Path:
    documents = [build_configuration(options, parts, ports), simulator_configuration()]
    if options.metrics_server:
        documents += usage_documents()
    path = layout.configuration
    path.write_text(yaml.safe_dump_all(documents, sort_keys=False))
    return path


def _run_kwokctl(layout: Layout, binaries: Binaries, configuration: Path) -> str:
    """Empty when the API server answers, else why not."""
    command = [str(binaries["kwokctl"]), "create", "cluster", "--name", layout.name]
    command += ["--config", str(configuration), "--kubeconfig", "", "--wait", "0s"]
    environ = {
        **os.environ,
        "KWOK_WORKDIR": str(layout.workdir),
        "KWOK_KUBE_VERSION": f"v{KUBERNETES_VERSION}",
        # kwokctl takes kubectl from the path and would download it otherwise.
        "PATH": f"{binaries.folder}{os.pathsep}{os.environ.get('PATH', '')}",
    }
    said = layout.state_folder / "kwokctl.log"
    with (
        said.open("wb") as log,
        subprocess.Popen(
            command, env=environ, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
        ) as kwokctl,
    ):
        try:
            failure = _watch_kwokctl(layout, kwokctl)
        finally:
            kwokctl.kill()
    return f"{failure}\n{said.read_text(errors='replace')[-1000:]}" if failure else ""


def _watch_kwokctl(layout: Layout, kwokctl: subprocess.Popen[bytes]) -> str:
    """It would wait two minutes for an API server that has already ended; we do not."""
    deadline = time.monotonic() + CREATE_TIMEOUT
    while (code := kwokctl.poll()) is None:
        if ended := _ended(layout):
            return f"ended right after its start: {ended}"
        if time.monotonic() > deadline:
            return f"kwokctl was not done after {CREATE_TIMEOUT:.0f} s"
        time.sleep(_POLL)
    return f"kwokctl failed with status {code}" if code else ""


def _ended(layout: Layout) -> str:
    """Components that were started and do not run any more."""
    started = {path.stem for path in (layout.cluster_folder / "pids").glob("*.pid")}
    alive = {component.name for component in processes.running(layout.cluster_folder)}
    return ", ".join(sorted(started - alive))


def _sickness(layout: Layout) -> str:
    """Empty once the cluster is usable; a component that has ended makes further waiting vain."""
    # Served by another process, so being registered does not mean that it answers.
    also = ["/apis/metrics.k8s.io/v1beta1"] if "metrics-server" in definitions(layout) else []
    with ApiClient(layout.cluster_folder / "kubeconfig.yaml") as client:
        try:
            poll(
                lambda: "" if _ended(layout) else _unserved(client, *also),
                "the control plane is not ready",
            )
        except ClusterError as error:
            return str(error)
    return f"ended right after its start: {ended}" if (ended := _ended(layout)) else ""


def _unserved(client: ApiClient, *also: str) -> str:
    paths = ("/readyz", "/api/v1/namespaces/default/serviceaccounts/default", *also)
    try:
        for path in paths:
            client.request("GET", path)
    except (ApiRefusalError, OSError, http.client.HTTPException) as error:
        return str(error) or type(error).__name__
    return ""


def _logs(layout: Layout) -> list[Path]:
    return sorted((layout.cluster_folder / "logs").glob("*.log"))


def _ends_of_logs(layout: Layout) -> str:
    """The last lines of those that ended, or of all if none did."""
    alive = {component.name for component in processes.running(layout.cluster_folder)}
    logs = _logs(layout)
    parts = []
    for log in [log for log in logs if log.stem not in alive] or logs:
        lines = log.read_text(errors="replace").splitlines()[-_LOG_LINES:]
        parts.append("\n".join([f"--- {log.name}", *(line[:_LOG_WIDTH] for line in lines)]))
    return "\n".join(["", *parts])
