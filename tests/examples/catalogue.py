"""Finds the examples: every folder below examples/ that holds a `podcliqueset.yaml`.

And what pages tell people to type.
"""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"

_BLOCK = re.compile(r"^```(?:sh|console)\n(.*?)^```", re.DOTALL | re.MULTILINE)
_PROMPT = "$ "


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
    """Every command of every `sh` and `console` block of a page, each in one line.

    Where a block shows answers, its commands stand behind a prompt.
    """
    return [command for block in _BLOCK.findall(text) for command in _commands(block)]


def _commands(block: str) -> Iterator[str]:
    lines = [line for line in block.splitlines() if line.strip() and not line.startswith("#")]
    if any(line.startswith(_PROMPT) for line in lines):
        lines = [line.removeprefix(_PROMPT) for line in lines if line.startswith(_PROMPT)]
    command = ""
    for line in lines:
        command = f"{command} {line.strip()}".strip()
        if command.endswith("\\"):
            command = command.removesuffix("\\").strip()
        elif _is_whole(command):
            yield command
            command = ""
    assert not command, f"a quote is not closed: {command}"


def _is_whole(command: str) -> bool:
    try:
        shlex.split(command, comments=True)
    except ValueError:
        return False
    return True
