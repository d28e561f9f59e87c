"""The real helm binary, with folders of its own, against no cluster or a local one.

helm = Helm(binary, folder, kubeconfig)
helm.render({"replicaCount": 3})     # objects, as `helm template` says
"""

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from tools.chart import CHART

Body = dict[str, Any]

NAMESPACE: Final = "grove-system"
RELEASE: Final = "grove"
_PATIENCE: Final = "90s"


class HelmError(Exception):
    """What helm says when it refuses."""


class Helm:
    def __init__(self, binary: Path, folder: Path, kubeconfig: Path | None = None) -> None:
        self._binary = binary
        self._environ = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "HELM_CACHE_HOME": str(folder / "cache"),
            "HELM_CONFIG_HOME": str(folder / "config"),
            "HELM_DATA_HOME": str(folder / "data"),
            "KUBECONFIG": str(kubeconfig or folder / "none"),
        }

    def run(self, *arguments: str, values: Mapping[str, Any] | None = None) -> str:
        """Values go through stdin, so that none of them meets a shell or helm's own --set."""
        more = ["--values", "-"] if values is not None else []
        done = subprocess.run(
            [self._binary, *arguments, *more],
            env=self._environ,
            input=None if values is None else yaml.safe_dump(dict(values)),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise HelmError(done.stderr.strip() or done.stdout.strip())
        return done.stdout

    def render(self, values: Mapping[str, Any] | None = None, *arguments: str) -> list[Body]:
        text = self.run(
            "template", RELEASE, str(CHART), "-n", NAMESPACE, *arguments, values=values or {}
        )
        return [body for body in yaml.safe_load_all(text) if body]

    def install(self, values: Mapping[str, Any], chart: Path = CHART, *arguments: str) -> str:
        """Give the notes, once the pods are there."""
        place = (RELEASE, str(chart), "-n", NAMESPACE, "--wait", "--timeout", _PATIENCE)
        return self.run("install", *place, *arguments, values=values)

    def upgrade(self, values: Mapping[str, Any], chart: Path = CHART) -> str:
        place = (RELEASE, str(chart), "-n", NAMESPACE, "--wait", "--timeout", _PATIENCE)
        return self.run("upgrade", *place, values=values)

    def rollback(self, revision: int) -> str:
        place = (RELEASE, str(revision), "-n", NAMESPACE, "--wait", "--timeout", _PATIENCE)
        return self.run("rollback", *place)

    def uninstall(self) -> str:
        place = (RELEASE, "-n", NAMESPACE, "--wait", "--timeout", _PATIENCE)
        return self.run("uninstall", *place)

    def manifest(self) -> list[Body]:
        """What the installed release consists of."""
        text = self.run("get", "manifest", RELEASE, "-n", NAMESPACE)
        return [body for body in yaml.safe_load_all(text) if body]

    def revision(self) -> int:
        found = json.loads(self.run("status", RELEASE, "-n", NAMESPACE, "-o", "json"))
        return int(found["version"])


def one(bodies: list[Body], kind: str, name: str | None = None) -> Body:
    """The only object of that kind, and of that name if given."""
    [found] = [
        body for body in bodies if body["kind"] == kind and name in {None, body["metadata"]["name"]}
    ]
    return found


def configuration(bodies: list[Body]) -> Body:
    """The operator's configuration file."""
    [text] = [
        body["data"]["config.yaml"]
        for body in bodies
        if body["kind"] == "ConfigMap" and "config.yaml" in body["data"]
    ]
    content: Body = yaml.safe_load(text)
    return content
