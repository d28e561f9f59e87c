"""The cache under events that come late, twice, in the wrong order, or never."""

from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from grove_operator.api import labels
from grove_operator.cluster.store import WHOLE_SET, Family, KindSink, Place, Source, Store
from grove_operator.observed import Child, Departed, Kind, Pod, Record
from tests.support.builders import a_meta

TIDE = Family("harbor", "tide")
News = tuple[Place, Kind, str]


class Listening:
    """A store and what it told."""

    def __init__(self) -> None:
        self.news: list[News] = []
        self.store = Store(self._listen)

    def _listen(self, place: Place, kind: Kind, old: Record | None, new: Record | None) -> None:
        what = "changed" if old and new else "new" if new else "gone"
        self.news.append((place, kind, what))

    def told(self) -> list[str]:
        found = [what for _, _, what in self.news]
        self.news.clear()
        return found


@pytest.fixture
def cache() -> Listening:
    return Listening()


def place_labels(set_name: str = "tide", replica: int = 0) -> dict[str, str]:
    return {**labels.default_pair(set_name), labels.REPLICA_INDEX: str(replica)}


def a_filed_pod(version: int = 1, uid: str = "u1", index: int = 0, **fields: Any) -> Pod:
    own = place_labels() | {labels.POD_INDEX: str(index), labels.PODCLIQUE: "tide-0-w"}
    meta = a_meta(f"tide-0-w-{index}", uid=uid, version=version, labels=own, owner_name="tide-0-w")
    return Pod(meta=meta, **fields)


def a_service(version: int = 1, uid: str = "s1", **meta: Any) -> Child:
    return Child(meta=a_meta("tide-0", uid=uid, version=version, labels=place_labels(), **meta))


def pods_of(cache: Listening) -> list[Pod]:
    return [pod for pods in cache.store.snapshot(TIDE, 0).pods.values() for pod in pods]


def test_an_older_state_after_a_newer_one_is_ignored(cache: Listening) -> None:
    cache.store.upsert(Kind.POD, a_filed_pod(5, ready=True))
    cache.store.upsert(Kind.POD, a_filed_pod(4, ready=False))
    assert [pod.ready for pod in pods_of(cache)] == [True]
    assert cache.told() == ["new"]


def test_the_same_event_twice_is_told_once(cache: Listening) -> None:
    for _ in range(3):
        cache.store.upsert(Kind.SERVICE, a_service(3))
    assert cache.told() == ["new"]


def test_an_event_that_changes_nothing_of_a_pod_is_no_news(cache: Listening) -> None:
    cache.store.upsert(Kind.POD, a_filed_pod(1))
    cache.told()
    cache.store.upsert(Kind.POD, a_filed_pod(2))
    assert cache.told() == []
    cache.store.upsert(Kind.POD, a_filed_pod(3, ready=True))
    assert cache.told() == ["changed"]


def a_kai_group(version: int = 1, **status: Any) -> Child:
    meta = a_meta("tide-0", uid="k1", version=version, labels=labels.default_pair("tide"))
    return Child(meta=meta, status=status)


def test_a_scheduler_that_only_counts_its_tries_is_no_news(cache: Listening) -> None:
    cache.store.upsert(Kind.KAI_POD_GROUP, a_kai_group(1))
    cache.store.upsert(Kind.KAI_POD_GROUP, a_kai_group(2))
    assert cache.told() == ["new"]
    cache.store.upsert(Kind.KAI_POD_GROUP, a_kai_group(3, conditions=["why"]))
    assert cache.told() == ["changed"]


def test_a_group_by_kais_pod_grouper_is_filed_under_its_gang(cache: Listening) -> None:
    group = a_kai_group()
    meta = replace(group.meta, name="pg-tide-0-crew-1-1234")
    cache.store.upsert(Kind.KAI_POD_GROUP, replace(group, meta=meta))
    assert set(cache.store.snapshot(TIDE, 0).kai_groups) == {"pg-tide-0-crew-1-1234"}


def test_the_answer_to_an_action_is_no_news_and_neither_is_its_echo(cache: Listening) -> None:
    cache.store.upsert(Kind.SERVICE, a_service(3), Source.ACTION)
    cache.store.upsert(Kind.SERVICE, a_service(3))
    assert cache.told() == []
    assert "tide-0" in cache.store.snapshot(TIDE, 0).services


def test_the_answer_to_a_status_is_news_only_for_what_else_changed(cache: Listening) -> None:
    cache.store.upsert(Kind.GANG, a_service(1))
    cache.told()
    same = replace(a_service(2), status={"phase": "Running"})
    cache.store.upsert(Kind.GANG, same, Source.STATUS)
    assert cache.told() == []
    scaled = replace(a_service(3, generation=2), status={"phase": "Running"})
    cache.store.upsert(Kind.GANG, scaled, Source.STATUS)
    assert cache.told() == ["changed"]


def a_claim(name: str, version: int = 1, **meta: Any) -> Child:
    return Child(meta=a_meta(name, version=version, labels=labels.default_pair("tide"), **meta))


@pytest.mark.parametrize(
    ("name", "replica"),
    [
        ("tide-all-nic", WHOLE_SET),
        ("tide-1-nic", 1),
        ("tide-1-crew-all-nic", 1),
        ("tide-2-w-0-n", 2),
    ],
)
def test_claims_are_filed_by_name(cache: Listening, name: str, replica: int) -> None:
    cache.store.upsert(Kind.RESOURCE_CLAIM, a_claim(name))
    assert cache.news == [(Place(TIDE, replica), Kind.RESOURCE_CLAIM, "new")]


def test_what_happens_inside_a_claim_is_no_news(cache: Listening) -> None:
    cache.store.upsert(Kind.RESOURCE_CLAIM, a_claim("tide-0-nic"))
    cache.store.upsert(Kind.RESOURCE_CLAIM, a_claim("tide-0-nic", 2))
    assert cache.told() == ["new"]
    cache.store.upsert(Kind.RESOURCE_CLAIM, a_claim("tide-0-nic", 3, deleting=True))
    assert cache.told() == ["changed"]


def test_what_is_gone_does_not_come_back_with_a_late_event(cache: Listening) -> None:
    cache.store.upsert(Kind.POD, a_filed_pod(5))
    cache.store.delete(Kind.POD, a_filed_pod(7))
    cache.store.upsert(Kind.POD, a_filed_pod(6))
    assert pods_of(cache) == []
    assert cache.told() == ["new", "gone"]


def test_the_end_of_an_object_that_was_never_seen_counts(cache: Listening) -> None:
    cache.store.delete(Kind.POD, a_filed_pod(7))
    cache.store.upsert(Kind.POD, a_filed_pod(5))
    assert pods_of(cache) == []


def test_the_late_end_of_a_predecessor_changes_nothing(cache: Listening) -> None:
    cache.store.upsert(Kind.SERVICE, a_service(5, "s1"))
    cache.store.upsert(Kind.SERVICE, a_service(9, "s2"))
    cache.store.delete(Kind.SERVICE, a_service(8, "s1"))
    assert cache.store.snapshot(TIDE, 0).services["tide-0"].meta.uid == "s2"


def test_a_list_ends_what_it_lacks_but_not_what_is_younger(cache: Listening) -> None:
    sink = KindSink(cache.store, Kind.POD)
    for index, version in enumerate((3, 4, 12)):
        sink.upsert(a_filed_pod(version, f"u{index}", index))
    sink.replace([a_filed_pod(3, "u0", 0)], "10")
    assert sorted(pod.meta.uid for pod in pods_of(cache)) == ["u0", "u2"]


def test_a_list_finds_what_was_made_while_nobody_watched(cache: Listening) -> None:
    cache.store.replace(Kind.POD, [a_filed_pod(3, "u0", 0)], "10")
    assert cache.told() == ["new"]


def test_a_request_that_found_nothing_ends_the_object(cache: Listening) -> None:
    cache.store.upsert(Kind.SERVICE, a_service(5))
    cache.store.forget(Kind.SERVICE, "harbor", "tide-0", "another")
    assert cache.store.get(Kind.SERVICE, "harbor", "tide-0")
    cache.store.forget(Kind.SERVICE, "harbor", "tide-0", "s1")
    assert cache.store.get(Kind.SERVICE, "harbor", "tide-0") is None


def test_a_pod_that_ends_leaves_its_uid_under_its_index(cache: Listening) -> None:
    cache.store.upsert(Kind.CLIQUE, a_service(1))
    cache.store.upsert(Kind.POD, a_filed_pod(5, "u1", 3))
    cache.store.forget(Kind.POD, "harbor", "tide-0-w-3", "u1")
    assert cache.store.snapshot(TIDE, 0).departed == {"tide-0-w": {3: Departed("u1", "tide-0-w-3")}}


@pytest.mark.parametrize(
    ("changed", "told_at"),
    [
        ({labels.REPLICA_INDEX: "1"}, 1),
        ({labels.REPLICA_INDEX: "x"}, WHOLE_SET),
    ],
    ids=["to another replica", "to no replica"],
)
def test_an_edited_label_files_an_object_anew(
    cache: Listening, changed: dict[str, str], told_at: int
) -> None:
    cache.store.upsert(Kind.SERVICE, a_service(1))
    cache.news.clear()
    meta = replace(a_service(2).meta, labels=place_labels() | changed)
    cache.store.upsert(Kind.SERVICE, Child(meta=meta))
    assert cache.store.snapshot(TIDE, 0).services == {}
    assert (Place(TIDE, 0), Kind.SERVICE, "gone") in cache.news
    assert (Place(TIDE, told_at), Kind.SERVICE, "changed") in cache.news


def test_an_object_of_another_set_is_filed_there(cache: Listening) -> None:
    cache.store.upsert(Kind.SERVICE, a_service(1))
    meta = replace(a_service(2).meta, labels=place_labels("ebb"))
    cache.store.upsert(Kind.SERVICE, Child(meta=meta))
    assert list(cache.store.families()) == [Family("harbor", "ebb")]


@pytest.mark.parametrize(
    ("kind", "name", "replica"),
    [
        (Kind.GANG, "tide-3-crew-0", 3),
        (Kind.HPA, "tide-10-gate", 10),
        (Kind.GANG, "tide-x", WHOLE_SET),
        (Kind.SECRET, "tide-ic-sat", WHOLE_SET),
        (Kind.WORKLOAD, "tide-1", WHOLE_SET),
    ],
    ids=["a gang", "an autoscaler", "a strange gang", "a secret", "a workload"],
)
def test_kinds_without_a_replica_label_are_filed_by_name(
    cache: Listening, kind: Kind, name: str, replica: int
) -> None:
    cache.store.upsert(kind, Child(meta=a_meta(name, labels=labels.default_pair("tide"))))
    assert [place.replica for place, _, _ in cache.news] == [replica]


def test_a_snapshot_stays_as_it_was_taken(cache: Listening) -> None:
    cache.store.upsert(Kind.POD, a_filed_pod(1))
    taken = cache.store.snapshot(TIDE, 0)
    cache.store.delete(Kind.POD, a_filed_pod(2))
    assert len(taken.pods["tide-0-w"]) == 1
    assert taken.departed == {}


def test_nothing_stays_of_a_family_that_is_gone(cache: Listening) -> None:
    cache.store.upsert(Kind.SET, Child(meta=a_meta("tide", uid="set")))
    cache.store.upsert(Kind.POD, a_filed_pod(1))
    cache.store.delete(Kind.POD, a_filed_pod(2))
    cache.store.delete(Kind.SET, Child(meta=a_meta("tide", uid="set")))
    assert list(cache.store.families()) == []
    assert cache.store.replicas(TIDE) == []


Step = Callable[[Store], None]
STEPS: dict[str, Step] = {
    "made": lambda store: store.upsert(Kind.POD, a_filed_pod(1, "u1")),
    "ready": lambda store: store.upsert(Kind.POD, a_filed_pod(2, "u1", ready=True)),
    "deleted": lambda store: store.delete(Kind.POD, a_filed_pod(3, "u1")),
    "made again": lambda store: store.upsert(Kind.POD, a_filed_pod(4, "u2")),
}


@pytest.mark.parametrize(
    "order",
    [
        "made, ready, deleted, made again",
        "made again, made, ready, deleted",
        "deleted, made, made again, ready",
        "ready, made again, deleted, made",
        "made, made, deleted, deleted, made again, ready",
    ],
)
def test_the_order_of_events_does_not_matter(cache: Listening, order: str) -> None:
    for name in order.split(", "):
        STEPS[name](cache.store)
    assert [pod.meta.uid for pod in pods_of(cache)] == ["u2"]


def test_what_left_the_watch_by_a_label_can_come_back(cache: Listening) -> None:
    """The watch calls an object deleted when it loses the label that is watched."""
    cache.store.upsert(Kind.SERVICE, a_service(5))
    cache.store.delete(Kind.SERVICE, a_service(6))
    cache.store.upsert(Kind.SERVICE, a_service(7))
    assert "tide-0" in cache.store.snapshot(TIDE, 0).services
