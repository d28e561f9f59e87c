"""What the process remembers of a set when its template changes."""

from grove_operator.observed import Child, ReplicaSummary
from grove_operator.operator.families import Known
from tests.support.builders import SetBuilder, a_meta, a_set


def stored(builder: SetBuilder, generation: int) -> Child:
    manifest = builder.manifest()
    meta = a_meta("tide", uid="u", generation=generation, version=generation)
    return Child(meta=meta, body={"spec": manifest["spec"]})


def test_nothing_counts_as_updated_to_a_template_that_has_only_just_come() -> None:
    """Who waits for observedGeneration and updatedReplicas must not be told of the old template."""
    known = Known()
    known.read(stored(a_set(replicas=2).with_clique("w"), 1))
    for index in range(2):
        summary = ReplicaSummary(available=True, updated=True, updated_cliques=1)
        known.summarize(index, summary)
    known.read(stored(a_set(replicas=3).with_clique("w"), 2))
    assert known.picture({}).updated == 2  # only the count has changed
    other = {"containers": [{"name": "app", "image": "x:2"}]}
    known.read(stored(a_set(replicas=3).with_clique("w", pod_spec=other), 3))
    seen = known.picture({})
    assert (seen.available, seen.updated, seen.updated_cliques) == (2, 0, 0)
    known.summarize(0, ReplicaSummary(available=True, updated=True, updated_cliques=1))
    assert (known.updated, known.updated_cliques) == (1, 1)
