"""Containers of a rendered pod as processes of this machine: same arguments, files, environment.

KWOK shows pods as running, but nothing runs in them. Only how to reach the API server differs: a
kubeconfig with a token of the pod's own account stands in for the mounted one.
"""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import yaml
from typing_extensions import override

from tests.charts.helm import NAMESPACE, configuration
from tests.support.operator import OperatorProcess
from tools.localcluster import LocalCluster

Body = dict[str, Any]

_CONFIG: Final = "/etc/grove-operator/config"


class Container(OperatorProcess):
    """One container of the operator's pod."""

    def __init__(self, spec: Body, pod: Body, mounted: Path, kubeconfig: Path, code: Path) -> None:
        self._arguments = [text.replace(_CONFIG, str(mounted)) for text in spec["args"]]
        self.COMMAND = self._arguments[0]
        super().__init__(kubeconfig, mounted)
        ports = {port["name"].removeprefix("webhook-"): port for port in spec["ports"]}
        self._health_port = ports["health"]["containerPort"]
        self._metrics_port = ports["metrics"]["containerPort"]
        given = {entry["name"]: _value(entry, pod) for entry in spec["env"]}
        self._environment = {"KUBECONFIG": str(kubeconfig), **given}
        self._code = code

    @override
    def start(self) -> None:
        inherited = {key: val for key, val in os.environ.items() if not key.startswith("GROVE_")}
        with self.log.open("ab") as out:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "grove_operator", *self._arguments],
                cwd=self._code,
                env=inherited | self._environment,
                stdout=out,
                stderr=subprocess.STDOUT,
            )


def containers(
    manifest: list[Body], folder: Path, kubeconfig: Path, code: Path
) -> dict[str, Container]:
    """Those of the Deployment, by name, with the release's configuration file before them.

    `code` is the folder of the package that they run.
    """
    [deployment] = [body for body in manifest if body["kind"] == "Deployment"]
    pod = deployment["spec"]["template"]["spec"]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.yaml").write_text(yaml.safe_dump(configuration(manifest)))
    return {
        spec["name"]: Container(spec, pod, folder, kubeconfig, code) for spec in pod["containers"]
    }


def account_kubeconfig(cluster: LocalCluster, account: str, folder: Path) -> Path:
    """Acts as the account of the pods, in their namespace."""
    token = cluster.kubectl("create", "token", account, "-n", NAMESPACE, "--duration", "2h")
    config: Body = yaml.safe_load(cluster.kubeconfig.read_text())
    for user in config["users"]:
        user["user"] = {"token": token.strip()}
    for context in config["contexts"]:
        context["context"]["namespace"] = NAMESPACE
    path = folder / f"{account}-kubeconfig"
    path.write_text(yaml.safe_dump(config))
    return path


def _value(entry: Body, pod: Body) -> str:
    if "value" in entry:
        return str(entry["value"])
    field = entry["valueFrom"]["fieldRef"]["fieldPath"]
    assert field == "spec.serviceAccountName", f"no test stands in for {field} yet"
    return str(pod["serviceAccountName"])
