"""Which helm is taken: one that was named, one on the PATH that fits, else our own."""

import os
from pathlib import Path

import pytest

from tools.localcluster.errors import AcquisitionError
from tools.localcluster.helm import find_helm


def a_helm(folder: Path, version: str) -> Path:
    folder.mkdir()
    program = folder / "helm"
    program.write_text(f"#!/bin/sh\necho {version}\n")
    program.chmod(0o755)
    return program


def environ(folder: Path, *path: Path, **more: str) -> dict[str, str]:
    """Without any Go that could build one; the cache is empty."""
    return {
        "PATH": os.pathsep.join([*map(str, path), "/nonexistent"]),
        "GROVE_TOOLS_CACHE": str(folder / "cache"),
        **more,
    }


def test_one_on_the_path_is_used(tmp_path: Path) -> None:
    program = a_helm(tmp_path / "bin", "v3.18.1")
    assert find_helm(environ(tmp_path, program.parent)) == program


def test_a_folder_that_was_named_comes_first(tmp_path: Path) -> None:
    on_path = a_helm(tmp_path / "bin", "v3.18.1")
    named = a_helm(tmp_path / "assets", "v3.1.0")
    found = find_helm(environ(tmp_path, on_path.parent, GROVE_ASSETS=str(named.parent)))
    assert found == named


@pytest.mark.parametrize("version", ["v4.0.1", "v2.17.0", "nonsense"])
def test_one_of_another_generation_is_passed_over(tmp_path: Path, version: str) -> None:
    """Then it must be built, which here nothing can."""
    program = a_helm(tmp_path / "bin", version)
    blocked = {"PIP_NO_INDEX": "1", "PIP_CONFIG_FILE": os.devnull}
    with pytest.raises(AcquisitionError, match="build from Go modules"):
        find_helm(environ(tmp_path, program.parent, **blocked))
