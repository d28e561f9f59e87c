"""Finds the examples: every folder below examples/ that holds a `podcliqueset.yaml`."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"

_SHELL_BLOCK = re.compile(r"```sh\n(.*?)```", re.DOTALL)


@dataclass(frozen=True)
class Example:
    folder: Path

    @property
    def text(self) -> str:
        return (self.folder / "podcliqueset.yaml").read_text()

    @property
    def manifest(self) -> dict[str, Any]:
        document: dict[str, Any] = yaml.safe_load(self.text)
        return document

    @property
    def readme(self) -> str:
        return (self.folder / "README.md").read_text()

    @property
    def name(self) -> str:
        name: str = self.manifest["metadata"]["name"]
        return name


def examples() -> list[Example]:
    return [Example(path.parent) for path in sorted(EXAMPLES.glob("*/podcliqueset.yaml"))]


def shell_commands(text: str) -> list[str]:
    """Every line of every `sh` block of a page."""
    return [
        line.strip()
        for block in _SHELL_BLOCK.findall(text)
        for line in block.splitlines()
        if line.strip() and not line.startswith("#")
    ]
