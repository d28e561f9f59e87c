"""Makes images without a registry: the project's own from its Dockerfile, and a few small ones.

The Dockerfile stays plain. Where its base image cannot be pulled, a stand-in made of Debian's
packages takes its name in buildah's storage on this machine; Python in it is Debian's.
"""

import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from tools.realnode.commands import run, succeeds
from tools.realnode.configuration import PAUSE_IMAGE
from tools.realnode.errors import RealNodeError

ROOT = Path(__file__).resolve().parents[2]
BASE = "python:3.12-slim"
BUSYBOX_IMAGE = "localhost/grove-busybox:1"
STAND_IN_LABEL = "io.grove.stand-in"
SUITE = "bookworm"
BASE_PACKAGES = ("ca-certificates", "python3", "python3-venv")
HOST_FILES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pip.conf")
"""Lent to the build, so that pip trusts and asks what this machine does; not in any image."""


@dataclass(frozen=True)
class Built:
    name: str
    archive: Path
    seconds: float
    unpacked: int
    """Bytes."""
    packed: int


class ImageShop:
    """Builds images with buildah and packs each into an archive below `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def base(self) -> str:
        """The Dockerfile's base: as it is here, else pulled, else the stand-in; says which."""
        if _image_id(BASE):
            return "there already"
        if succeeds("buildah", "pull", "--quiet", f"docker.io/library/{BASE}"):
            return "pulled"
        self._make_base()
        return "made of Debian's packages"

    def project(self, target: str, tag: str) -> Built:
        """One target of the Dockerfile; layers are kept, so a second build takes seconds."""
        name = f"localhost/grove-{target}:{tag}"
        command = ["buildah", "bud", "--isolation", "chroot", "--pull-never", "--layers", "--quiet"]
        for file in HOST_FILES:
            if Path(file).exists():
                command += ["--volume", f"{file}:{file}:ro"]
        command += ["--build-arg", f"VERSION={tag}", "--target", target, "--tag", name, str(ROOT)]
        before, started = _image_id(name), time.monotonic()
        run(*command)
        seconds = time.monotonic() - started
        if before not in {"", _image_id(name)}:
            # Else every change of the code would leave some hundred megabytes.
            succeeds("buildah", "rmi", before)
        return self._packed(name, seconds)

    def pause(self) -> Path:
        """What holds a pod's namespaces; kubelet needs it for every pod."""
        return self._of_busybox(PAUSE_IMAGE, "tail", "-f", "/dev/null")

    def busybox(self) -> Path:
        """A shell for pods of tests."""
        return self._of_busybox(BUSYBOX_IMAGE, "sh")

    def _of_busybox(self, name: str, *command: str) -> Path:
        if not _image_id(name):
            self._make_of_busybox(name, *command)
        return self._packed(name, 0.0).archive

    def _make_of_busybox(self, name: str, *command: str) -> None:
        container = run("buildah", "from", "scratch").strip()
        try:
            # Mounting is cheaper than a build, and needs no file beside the binary.
            place = Path(run("buildah", "mount", container).strip())
            binaries = place / "bin"
            binaries.mkdir()
            (place / "tmp").mkdir(mode=0o1777)
            shutil.copy2(shutil.which("busybox") or "busybox", binaries / "busybox")
            for applet in run("busybox", "--list").split():
                if applet != "busybox":
                    (binaries / applet).symlink_to("busybox")
            words = ", ".join(f'"{word}"' for word in command)
            run("buildah", "config", "--env", "PATH=/bin", "--cmd", f"[{words}]", container)
            run("buildah", "commit", "--quiet", container, name)
        finally:
            run("buildah", "rm", container)

    def _make_base(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        tree = self._folder / "base.tar"
        packages = ",".join(BASE_PACKAGES)
        options = ["--variant=minbase", f"--include={packages}"]
        run("mmdebstrap", "--quiet", *options, SUITE, tree)
        container = run("buildah", "from", "scratch").strip()
        try:
            run("buildah", "add", "--quiet", container, tree, "/")
            place = Path(run("buildah", "mount", container).strip())
            # The official image has its Python there.
            for name in ("python", "python3"):
                (place / "usr/local/bin" / name).symlink_to("/usr/bin/python3")
            path = "/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin"
            run("buildah", "config", "--env", f"PATH={path}", "--cmd", "python3", container)
            run("buildah", "config", "--label", f"{STAND_IN_LABEL}=true", container)
            run("buildah", "commit", "--quiet", container, BASE)
        finally:
            run("buildah", "rm", container)
            tree.unlink()

    def _packed(self, name: str, seconds: float) -> Built:
        self._folder.mkdir(parents=True, exist_ok=True)
        archive = self._folder / f"{name.rpartition('/')[2].replace(':', '-')}.tar"
        archive.unlink(missing_ok=True)
        run("buildah", "push", "--quiet", name, f"oci-archive:{archive}:{name}")
        form = "{{.Size}}"
        # One line for each of its names.
        size = run("buildah", "images", "--format", form, name).splitlines()[0]
        return Built(name, archive, seconds, _bytes(size), archive.stat().st_size)


def _image_id(name: str) -> str:
    """Empty if there is no such image here."""
    try:
        form = "{{.FromImageID}}"
        return run("buildah", "inspect", "--type", "image", "--format", form, name).strip()
    except RealNodeError:
        return ""


def _bytes(text: str) -> int:
    """Buildah says sizes as people write them: `20.5 MB`."""
    number, unit = text.split()
    return int(float(number) * 1000 ** ("B", "KB", "MB", "GB").index(unit.upper()))
