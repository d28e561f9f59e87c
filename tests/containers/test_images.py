"""The images as a node runs them: unprivileged, on a file system that cannot be written."""

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from grove_operator import __version__
from tests.containers.conftest import RESTRICTED, TAG, Ground, a_pod
from tools.realnode import Built


def test_the_operator_says_its_version_unprivileged(ground: Ground) -> None:
    container = {
        "image": ground.operator.name,
        "args": ["--version"],
        "securityContext": dict(RESTRICTED),
    }
    ground.apply(a_pod("version", container))
    ground.wait("jsonpath={.status.phase}=Succeeded", "pod/version")
    assert ground.kubectl("logs", "version") == f"grove-operator {__version__}\n"
    _print_sizes(ground.operator)


def test_the_waiter_needs_nothing_but_its_image(ground: Ground) -> None:
    container = {"image": ground.initc.name, "securityContext": dict(RESTRICTED)}
    ground.apply(a_pod("idle", container, automountServiceAccountToken=False))
    ground.wait("jsonpath={.status.phase}=Succeeded", "pod/idle")
    assert ground.kubectl("logs", "idle") == "nothing to wait for\n"
    _print_sizes(ground.initc)


def test_labels_say_what_an_image_is(images: tuple[Built, Built]) -> None:
    for built, title in zip(images, ("grove-operator", "grove-initc"), strict=True):
        labels = _configuration(built)["Labels"]
        assert labels["org.opencontainers.image.title"] == title
        assert labels["org.opencontainers.image.version"] == TAG


def test_nobody_is_root_and_no_installer_is_left(images: tuple[Built, Built]) -> None:
    for built in images:
        assert _configuration(built)["User"] == "65532:65532"
    program = "import importlib.util as u; print(u.find_spec('pip'), u.find_spec('pytest'))"
    with _container(images[0]) as inside:
        assert inside("/opt/grove/bin/python", "-c", program).split() == ["None", "None"]


def test_how_long_each_takes_to_start(images: tuple[Built, Built]) -> None:
    """Printed, not judged: a busy machine is no fault of an image."""
    commands = (("grove-operator", "--version"), ("/grove-initc",))
    for built, command in zip(images, commands, strict=True):
        with _container(built) as inside:
            inside(*command)
            started = time.perf_counter()
            inside(*command)
            took = time.perf_counter() - started
        print(f"\n{built.name}: {took:.2f} s to start and end")  # noqa: T201  a figure


@contextmanager
def _container(built: Built) -> Iterator[Callable[..., str]]:
    """Runs commands in a container of the image, without any node."""
    name = _buildah("from", built.name).strip()
    try:
        yield lambda *command: _buildah("run", "--isolation", "chroot", name, "--", *command)
    finally:
        _buildah("rm", name)


def _buildah(*arguments: str) -> str:
    command = ["buildah", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def _configuration(built: Built) -> dict[str, Any]:
    text = _buildah("inspect", "--type", "image", built.name)
    found: dict[str, Any] = json.loads(text)["OCIv1"]["config"]
    return found


def _print_sizes(built: Built) -> None:
    print(  # noqa: T201  figures for whoever runs these tests
        f"\n{built.name}: built in {built.seconds:.1f} s, {built.unpacked / 1e6:.0f} MB unpacked,"
        f" {built.packed / 1e6:.1f} MB packed"
    )
