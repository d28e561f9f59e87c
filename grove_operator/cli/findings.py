"""What `grove-operator lint` found, and the forms in which it is printed.

Owns the lines that people, programs and GitHub read. Refuses to judge anything.
"""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from enum import StrEnum

from rich.console import Console
from rich.text import Text

from grove_operator.cli.outputs import LintOutput


class Level(StrEnum):
    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to look at. `path` is that of the field; it is empty where no field is to blame."""

    file: str
    line: int
    document: int
    kind: str
    namespace: str
    name: str
    level: Level
    path: str
    message: str

    @property
    def sentence(self) -> str:
        return f"{self.path}: {self.message}" if self.path else self.message

    @property
    def object(self) -> str:
        scope = f"{self.namespace}/" if self.namespace else ""
        return f"{self.kind} {scope}{self.name}"


def many(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def print_findings(findings: Iterable[Finding], output: LintOutput, console: Console) -> None:
    match output:
        case LintOutput.TEXT:
            for finding in findings:
                console.print(_text(finding), soft_wrap=True)
        case LintOutput.JSON:
            listed = [asdict(finding) for finding in findings]
            console.file.write(json.dumps(listed, indent=2, ensure_ascii=False) + "\n")
        case LintOutput.GITHUB:
            for finding in findings:
                console.file.write(f"{_workflow_command(finding)}\n")


_STYLES = {Level.ERROR: "bold red", Level.WARNING: "yellow"}


def _text(finding: Finding) -> Text:
    return Text.assemble(
        f"{finding.file}:{finding.line}: ",
        (finding.level.value, _STYLES[finding.level]),
        f": {finding.object}: ",
        (finding.path, "bold"),
        f": {finding.message}" if finding.path else finding.message,
    )


def _workflow_command(finding: Finding) -> str:
    """What makes GitHub show the finding beside the line, in the diff of a pull request."""
    properties = {"file": finding.file, "line": str(finding.line), "title": finding.object}
    listed = ",".join(f"{key}={_escaped(value, ',:')}" for key, value in properties.items())
    return f"::{finding.level} {listed}::{_escaped(finding.sentence)}"


def _escaped(text: str, more: str = "") -> str:
    for character in f"%\r\n{more}":
        text = text.replace(character, f"%{ord(character):02X}")
    return text
