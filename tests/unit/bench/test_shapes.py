import pytest

from bench.floors import waves
from bench.shapes import MADE_UP_SET_UID, SHAPES, Shape, bare_pods, family
from grove_operator.scheduling.native import Capabilities

NATIVE = Capabilities(pod_groups=True, composite_groups=True, workloads=True)
every_shape = pytest.mark.parametrize("shape", SHAPES.values(), ids=list(SHAPES))


@every_shape
def test_makes_about_as_many_pods_as_asked(shape: Shape) -> None:
    bodies = family(shape.podcliqueset("n", 100), NATIVE)
    pods = [body for body in bodies if body["kind"] == "Pod"]
    assert len(pods) == shape.replicas(100) * shape.pods_per_replica
    assert abs(len(pods) - 100) < shape.pods_per_replica


@every_shape
def test_nothing_waits_for_an_operator(shape: Shape) -> None:
    for body in family(shape.podcliqueset("n", 40), NATIVE):
        assert "finalizers" not in body["metadata"]
        assert body["metadata"]["namespace"] == "n"
        assert "schedulingGates" not in body.get("spec", {})


@every_shape
def test_bare_pods_have_no_owner_and_no_gang(shape: Shape) -> None:
    bodies = family(shape.podcliqueset("n", 40), NATIVE)
    for pod in bare_pods(bodies):
        assert "ownerReferences" not in pod["metadata"]
        assert "schedulingGroup" not in pod["spec"]
    members = [body for body in bodies if body["kind"] == "Pod"]
    assert all("schedulingGroup" in pod["spec"] for pod in members), "the family's pods have both"


@every_shape
def test_waves_hold_everything_owners_first_and_pods_last(shape: Shape) -> None:
    bodies = family(shape.podcliqueset("n", 40), NATIVE)
    posted = {MADE_UP_SET_UID}
    seen: list[str] = []
    for wave in waves(bodies):
        owners = {body["metadata"]["ownerReferences"][0]["uid"] for body in wave}
        assert owners <= posted
        posted |= {body["metadata"]["uid"] for body in wave}
        kinds = {body["kind"] for body in wave}
        assert len(kinds) == 1
        seen += kinds
    assert len(posted) == len(bodies) + 1
    assert seen.count("Pod") == 1
    assert seen[-1] == "Pod"
