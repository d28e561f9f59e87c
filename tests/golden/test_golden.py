"""Each folder: a manifest, every object that it becomes, and a line that says what to look at."""

from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from grove_operator.api.parsing import parse, parse_podcliqueset
from grove_operator.api.podcliqueset import PodCliqueSet
from grove_operator.api.topology import ClusterTopologyBinding
from grove_operator.cli.planning import MadeUpCluster, plan_objects
from grove_operator.desired.packing import TopologyOffer
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


def read(text: str) -> tuple[PodCliqueSet, TopologyOffer]:
    """The set as it is written, as if no webhook had filled in anything, and its topology."""
    sets, bindings = [], []
    for body in yaml.safe_load_all(text):
        if body["kind"] == "PodCliqueSet":
            metadata = {"namespace": "default", **body["metadata"]}
            sets.append(parse_podcliqueset(body | {"metadata": metadata}))
        else:
            bindings.append(parse(ClusterTopologyBinding, body))
    [pcs] = sets
    cluster = MadeUpCluster(native_gangs=True, waiter_image="")
    return pcs, cluster.offers(bindings).topology


@pytest.mark.parametrize("case", CASES)
def test_objects(case: str, *, update_golden: bool) -> None:
    folder = HERE / case
    text = (folder / "input.yaml").read_text(encoding="utf-8")
    pcs, topology = read(text)
    offered = replace(capabilities(case), topology=topology)
    compare(folder / "expected.yaml", plan_objects(pcs, offered), update=update_golden)
    assert (folder / "README").read_text(encoding="utf-8").count("\n") == 1


def test_there_are_cases() -> None:
    assert CASES
