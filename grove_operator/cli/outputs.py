"""The forms in which commands print. Apart from the printing: the command line starts fast."""

from enum import StrEnum


class PlanOutput(StrEnum):
    TREE = "tree"
    YAML = "yaml"
    JSON = "json"


class LintOutput(StrEnum):
    TEXT = "text"
    JSON = "json"
    GITHUB = "github"
