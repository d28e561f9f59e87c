"""What is remembered of a set between passes."""

from typing import Any

import pytest

from grove_operator.observed import Child, ReplicaSummary
from grove_operator.operator import families
from grove_operator.operator.families import Known
from tests.support.builders import SetBuilder, a_meta, a_set


def a_record(builder: SetBuilder, generation: int) -> Child:
    return Child(
        meta=a_meta("tide", generation=generation), body={"spec": builder.manifest()["spec"]}
    )


def test_a_spec_that_could_not_be_read_is_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the next pass would go on with the one before it, as if nothing had changed."""
    known, one = Known(), a_set().with_clique("w")
    known.read(a_record(one, 1))

    def fail(*_: Any) -> None:
        raise ValueError("a fault of ours")

    more = a_record(one.but(replicas=5), 2)
    with monkeypatch.context() as patch:
        patch.setattr(families, "build_blueprint", fail)
        for _ in range(2):
            with pytest.raises(ValueError, match="a fault of ours"):
                known.read(more)
    assert known.read(more)
    assert known.blueprint is not None
    assert known.blueprint.replicas == 5
    assert not known.read(more)


def test_nothing_counts_as_updated_to_a_template_that_has_only_just_come() -> None:
    """Who waits for observedGeneration and updatedReplicas must not be told of the old template."""
    known = Known()
    known.read(a_record(a_set(replicas=2).with_clique("w"), 1))
    for index in range(2):
        summary = ReplicaSummary(available=True, updated=True, updated_cliques=1)
        known.summarize(index, summary)
    known.read(a_record(a_set(replicas=3).with_clique("w"), 2))
    assert known.picture({}).updated == 2  # only the count has changed
    other = {"containers": [{"name": "app", "image": "x:2"}]}
    known.read(a_record(a_set(replicas=3).with_clique("w", pod_spec=other), 3))
    seen = known.picture({})
    assert (seen.available, seen.updated, seen.updated_cliques) == (2, 0, 0)
    known.summarize(0, ReplicaSummary(available=True, updated=True, updated_cliques=1))
    assert (known.updated, known.updated_cliques) == (1, 1)
