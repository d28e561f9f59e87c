"""Which helm is used: the one on the PATH if it is of the right generation, else our own.

Helm 4 renders alike but keeps releases differently, so only Helm 3 counts.
"""

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from tools.localcluster.acquire import ASSETS_VARIABLES, ensure
from tools.localcluster.toolsets import HELM, HELM_VERSION


def find_helm(environ: Mapping[str, str] | None = None) -> Path:
    """Raises AcquisitionError if there is none and none can be made."""
    environ = os.environ if environ is None else environ
    given = any(environ.get(variable) for variable in ASSETS_VARIABLES)
    on_path = None if given else shutil.which("helm", path=environ.get("PATH", ""))
    if on_path and _generation(on_path) == _major(f"v{HELM_VERSION}"):
        return Path(on_path)
    return ensure(HELM, environ)["helm"]


def _generation(program: str) -> str:
    answer = subprocess.run(
        [program, "version", "--template", "{{.Version}}"],
        capture_output=True,
        text=True,
        check=False,
    )
    return _major(answer.stdout.strip())


def _major(version: str) -> str:
    return version.partition(".")[0]
