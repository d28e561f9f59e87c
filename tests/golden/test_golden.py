"""Each folder: a manifest, every object that it becomes, and a line that says what to look at."""

from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest

from grove_operator.cli.planning import plan_objects, read_manifest
from grove_operator.scheduling.native import Capabilities
from tests.support.builders import NATIVE, OTHERS, PLAIN, SUMS
from tests.support.golden import compare

HERE = Path(__file__).parent
CASES = sorted(path.parent.name for path in HERE.glob("*/input.yaml"))
DEVICES = replace(NATIVE, resource_claims=True, compute_domains=True, mnnvl=True)
OFFERED = {
    "plain": PLAIN,
    "sums": SUMS,
    "devices": DEVICES,
    "kai": OTHERS,
    "volcano": OTHERS,
}


def capabilities(case: str) -> Capabilities:
    """By the end of the case's name; a cluster with native gangs if it says nothing."""
    return OFFERED.get(case.rsplit("-", 1)[-1], NATIVE)


@pytest.mark.parametrize("case", CASES)
def test_objects(case: str, *, update_golden: bool) -> None:
    folder = HERE / case
    text = (folder / "input.yaml").read_text(encoding="utf-8")
    manifest = read_manifest(StringIO(text), "default")
    [pcs] = manifest.sets
    offered = replace(capabilities(case), topology=manifest.topology)
    compare(folder / "expected.yaml", plan_objects(pcs, offered), update=update_golden)
    assert (folder / "README").read_text(encoding="utf-8").count("\n") == 1


def test_there_are_cases() -> None:
    assert CASES
