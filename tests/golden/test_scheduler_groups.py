"""Each file: a set, a PodGang of it, and the object that KAI or Volcano must read for it."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from grove_operator.api.parsing import parse_podcliqueset
from grove_operator.desired.blueprint import build_blueprint
from grove_operator.scheduling.backend import Gang
from grove_operator.scheduling.backends import backend_of
from grove_operator.scheduling.native import Capabilities
from grove_operator.scheduling.profiles import EVERYTHING

CASES = sorted((Path(__file__).parent / "scheduler-groups").glob("*.yaml"))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)
def test_group(case: Path) -> None:
    documents: list[Any] = list(yaml.safe_load_all(case.read_text(encoding="utf-8")))
    pcs, gang, expected = documents
    head = {"apiVersion": "grove.io/v1alpha1", "kind": "PodCliqueSet"}
    blueprint = build_blueprint(parse_podcliqueset(head | pcs))
    backend = backend_of(blueprint, Capabilities(profiles=EVERYTHING))
    assert backend.group(Gang.wanted(blueprint, gang)) == expected


def test_there_are_cases() -> None:
    assert CASES
