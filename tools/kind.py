"""The operator on kind: images, chart and an example, on a cluster of its own.

    python -m tools.kind

Needs Docker, kind and kubectl. Where one of them is missing it says so and ends well: the same
without Docker is `make demo` (simulated nodes) or `make test-containers` (a real node).
"""

import shutil
import subprocess
import sys
from pathlib import Path

from grove_operator import __version__
from tools.localcluster import LocalClusterError
from tools.localcluster.helm import find_helm

ROOT = Path(__file__).resolve().parents[1]
CLUSTER = "grove"
CONTEXT = f"kind-{CLUSTER}"
NAMESPACE = "grove-system"
EXAMPLE = ROOT / "examples" / "00-first" / "podcliqueset.yaml"
PROGRAMS = ("docker", "kind", "kubectl")


def main() -> int:
    if reason := lacking():
        print(f"kind is left out: {reason}. `make demo` shows the operator without Docker.")
        return 0
    try:
        _install(find_helm())
    except LocalClusterError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except subprocess.CalledProcessError as error:
        return int(error.returncode)
    print(f"\nkubectl --context {CONTEXT} get pcs,pclq,pcsg,pg,pod")
    print(f"kind delete cluster --name {CLUSTER}   removes it")
    return 0


def lacking() -> str:
    """Why kind cannot be used here; empty when it can."""
    missing = [program for program in PROGRAMS if shutil.which(program) is None]
    if missing:
        return f"not installed: {', '.join(missing)}"
    answer = subprocess.run(["docker", "info"], capture_output=True, check=False)
    return "" if answer.returncode == 0 else "no Docker engine answers"


def _install(helm: Path) -> None:
    images = [f"grove-{target}:{__version__}" for target in ("operator", "initc")]
    for image in images:
        target = image.partition(":")[0].removeprefix("grove-")
        version = ("--build-arg", f"VERSION={__version__}")
        _run("docker", "build", "--target", target, *version, "--tag", image, str(ROOT))
    there = subprocess.run(
        ["kind", "get", "clusters"], capture_output=True, text=True, check=True
    ).stdout.split()
    if CLUSTER not in there:
        _run("kind", "create", "cluster", "--name", CLUSTER, "--wait", "120s")
    _run("kind", "load", "docker-image", *images, "--name", CLUSTER)
    chart = str(ROOT / "charts" / "grove-operator")
    release = ("upgrade", "--install", "grove", chart, "--kube-context", CONTEXT)
    place = ("--namespace", NAMESPACE, "--create-namespace", "--wait", "--timeout", "180s")
    _run(str(helm), *release, *place, "--set", f"image.tag={__version__}")
    kubectl = ("kubectl", "--context", CONTEXT)
    _run(*kubectl, "apply", "--filename", str(EXAMPLE))
    ready = ("--for=jsonpath={.status.availableReplicas}=1", "--timeout=180s")
    _run(*kubectl, "wait", *ready, "--filename", str(EXAMPLE))


def _run(*command: str) -> None:
    print(f"+ {' '.join(command)}", flush=True)
    subprocess.run(command, check=True)


if __name__ == "__main__":
    sys.exit(main())
