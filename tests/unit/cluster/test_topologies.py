"""The cache of bindings and topologies: news is kept, what is late is not taken for news."""

from grove_operator.cluster.topologies import Topologies
from grove_operator.observed import Child
from tests.support.builders import a_meta


def a_topology(uid: str, version: int) -> Child:
    return Child(meta=a_meta("dc", uid=uid, version=version), body={})


def test_a_late_deletion_does_not_take_the_successor() -> None:
    told: list[tuple[Child | None, Child | None]] = []
    cache = Topologies(lambda old, new: told.append((old, new)))
    first, second = a_topology("1", 5), a_topology("2", 9)
    cache.upsert(first)
    cache.upsert(second)  # the answer to its creation comes before the events
    cache.delete(first)
    assert cache.records == {"dc": second}
    cache.delete(second)
    assert cache.records == {}
    assert told == [(None, first), (first, second), (second, None)]
