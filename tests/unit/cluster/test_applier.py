"""How a plan is carried out: order, ownership, what counts as done, stale or failed."""

import dataclasses

import pytest

from grove_operator.api import labels
from grove_operator.cluster.applier import Applier, Report, describe
from grove_operator.cluster.slowstart import SlowStart
from grove_operator.cluster.store import Store
from grove_operator.errors import ConflictError, ForbiddenError
from grove_operator.observed import Kind
from grove_operator.plan.actions import Action, Create, Delete, Owner, Patch, Rank, StatusPatch
from tests.support.fakecluster import (
    FakeCluster,
    FakeConnection,
    conflict,
    forbidden,
    namespace_ends,
    unavailable,
)

LABELS = {**labels.default_pair("tide"), labels.REPLICA_INDEX: "0"}


class Bench:
    """An applier at work for the set `tide`."""

    def __init__(self) -> None:
        self.cluster = FakeCluster()
        self.news = 0
        self.now = 1000.0
        self.store = self.cluster.store = Store(self._listen)
        api = FakeConnection(self.cluster)
        self.applier = Applier(api, self.store, clock=lambda: self.now)
        self.cluster.insert(Kind.SET, {"metadata": {"name": "tide", "namespace": "harbor"}})

    def _listen(self, *_: object) -> None:
        self.news += 1

    async def apply(self, *actions: Action) -> Report:
        return await self.applier.apply("harbor", actions, SlowStart())

    def service(self, owner_uid: str = "", **own: str) -> str:
        """Make a Service behind the operator's back; gives its UID."""
        owners = [{"uid": owner_uid, "name": "tide", "controller": True}] if owner_uid else []
        metadata = {"name": "tide-0", "namespace": "harbor", "labels": own}
        body = {"metadata": metadata | {"ownerReferences": owners}, "spec": {}}
        uid: str = self.cluster.insert(Kind.SERVICE, body)["metadata"]["uid"]
        return uid

    @property
    def set_uid(self) -> str:
        uid: str = self.cluster.get(Kind.SET, "tide")["metadata"]["uid"]
        return uid


@pytest.fixture
def bench() -> Bench:
    return Bench()


def a_create(
    name: str = "tide-0", rank: Rank = Rank.FOUNDATION, kind: Kind = Kind.SERVICE
) -> Create:
    body = {"metadata": {"name": name, "namespace": "harbor", "labels": LABELS}, "spec": {"a": 1}}
    return Create(rank, kind, name, body, Owner(Kind.SET, "tide"))


def a_patch(uid: str, version: int | None = None) -> Patch:
    return Patch(
        Rank.FOUNDATION, Kind.SERVICE, "tide-0", uid, {"spec": {"a": 2}}, "spec.a", version
    )


async def test_a_new_object_is_controlled_by_its_owner_and_seen_at_once(bench: Bench) -> None:
    report = await bench.apply(a_create())
    owner = bench.cluster.get(Kind.SERVICE, "tide-0")["metadata"]["ownerReferences"][0]
    assert owner == {
        "apiVersion": "grove.io/v1alpha1",
        "kind": "PodCliqueSet",
        "name": "tide",
        "uid": bench.set_uid,
        "controller": True,
        "blockOwnerDeletion": True,
    }
    assert bench.store.get(Kind.SERVICE, "harbor", "tide-0")
    assert report.done == {("Create", Kind.SERVICE): 1}
    assert not report.failures
    assert not report.stale


async def test_an_object_that_is_ours_already_is_success(bench: Bench) -> None:
    bench.service(bench.set_uid, **LABELS)
    report = await bench.apply(a_create())
    assert not report.failures
    assert bench.cluster.writes() == ["create Service"]


async def test_an_object_that_hid_from_us_gets_its_labels_back(bench: Bench) -> None:
    bench.service(bench.set_uid, mine="too")
    await bench.apply(a_create())
    own = bench.cluster.get(Kind.SERVICE, "tide-0")["metadata"]["labels"]
    assert own == LABELS | {"mine": "too"}
    assert bench.store.get(Kind.SERVICE, "harbor", "tide-0")


@pytest.mark.parametrize("owner", ["", "another"], ids=["nobody's", "somebody else's"])
async def test_a_foreign_object_is_a_failure_and_left_alone(bench: Bench, owner: str) -> None:
    bench.service(owner)
    report = await bench.apply(a_create())
    [(_, error)] = report.failures
    assert error.reason == "Foreign"
    assert bench.cluster.writes() == ["create Service"]


async def test_without_an_owner_nothing_is_made(bench: Bench) -> None:
    bench.cluster.remove(Kind.SET, "tide")
    report = await bench.apply(a_create())
    assert report.stale
    assert bench.cluster.writes() == []


async def test_what_was_not_made_is_not_counted(bench: Bench) -> None:
    bench.cluster.remove(Kind.SET, "tide")
    assert (await bench.apply(a_create(), a_patch("gone"))).done == {}


async def test_ranks_go_in_order_and_stop_at_a_failure(bench: Bench) -> None:
    bench.cluster.fail("create", "PodGang", forbidden)
    report = await bench.apply(
        a_create(),
        a_create("tide-0", Rank.GANG, Kind.GANG),
        a_create("pod", Rank.POD, Kind.POD),
    )
    assert bench.cluster.writes() == ["create Service", "create PodGang"]
    assert len(report.failures) == 1


async def test_a_namespace_that_ends_is_asked_once_in_a_while(bench: Bench) -> None:
    fault = bench.cluster.fail("create", "Service", namespace_ends)
    for _ in range(3):
        assert (await bench.apply(a_create())).namespace_ends
    assert bench.cluster.writes() == ["create Service"]
    fault.times = 0
    bench.now += 2
    assert not (await bench.apply(a_create())).namespace_ends
    assert bench.cluster.names(Kind.SERVICE) == ["tide-0"]


async def test_one_failure_of_a_rank_does_not_undo_the_others(bench: Bench) -> None:
    bench.cluster.fail("create", "Role", forbidden)
    report = await bench.apply(
        a_create(), a_create("tide", kind=Kind.ROLE), a_create("tide", kind=Kind.SECRET)
    )
    assert len(report.failures) == 1
    assert report.done[("Create", Kind.SERVICE)] == 1


SECRET = a_create("tide-ic-sat", kind=Kind.SECRET)
NOTE = a_create("after", Rank.REFERENCE)


async def test_a_secret_is_made_and_never_read(bench: Bench) -> None:
    report = await bench.apply(SECRET, NOTE)
    assert report.done == {("Create", Kind.SECRET): 1, ("Create", Kind.SERVICE): 1}
    assert bench.store.get(Kind.SECRET, "harbor", "tide-ic-sat") is None
    assert [item.verb for item in bench.cluster.requests] == ["create", "create"]


async def test_a_secret_that_is_there_counts_as_ours_when_it_stays(bench: Bench) -> None:
    """It may be garbage of an earlier set of that name; what comes next must wait."""
    bench.cluster.insert(Kind.SECRET, SECRET.body)
    for passed in (0.0, 9.0):
        bench.now = 1000.0 + passed
        report = await bench.apply(SECRET, NOTE)
        assert report.stale
        assert report.failures == []
        assert bench.cluster.names(Kind.SERVICE) == []
    bench.now = 1010.0
    assert not (await bench.apply(SECRET, NOTE)).stale
    assert bench.cluster.names(Kind.SERVICE) == ["after"]
    assert "get" not in {item.verb for item in bench.cluster.requests}


async def test_the_garbage_of_an_earlier_set_is_replaced(bench: Bench) -> None:
    bench.cluster.insert(Kind.SECRET, SECRET.body)
    assert (await bench.apply(SECRET)).stale
    bench.cluster.remove(Kind.SECRET, "tide-ic-sat")
    assert (await bench.apply(SECRET)).done == {("Create", Kind.SECRET): 1}
    bench.now += 3600.0
    anew = dataclasses.replace(SECRET, beside="another account")
    assert (await bench.apply(anew)).stale, "that was another occasion"


@pytest.mark.parametrize("met", [False, True], ids=["just made", "met and waited for"])
async def test_a_secret_known_to_be_ours_holds_nothing_up_again(bench: Bench, met: bool) -> None:
    """A conflict in what comes next must not cost another wait, each longer than the last."""
    if met:
        bench.cluster.insert(Kind.SECRET, SECRET.body)
        assert (await bench.apply(SECRET)).stale
        bench.now += 10.0
    for _ in range(3):
        assert not (await bench.apply(SECRET)).stale


async def test_a_patch_goes_out_once(bench: Bench) -> None:
    uid = bench.service(bench.set_uid, **LABELS)
    report = await bench.apply(a_patch(uid))
    assert bench.cluster.get(Kind.SERVICE, "tide-0")["spec"] == {"a": 2}
    assert report.done == {("Patch", Kind.SERVICE): 1}


async def test_a_patch_of_another_object_of_the_name_is_not_sent(bench: Bench) -> None:
    bench.service(bench.set_uid, **LABELS)
    report = await bench.apply(a_patch("another"))
    assert report.stale
    assert bench.cluster.writes() == []


async def test_a_patch_of_an_older_version_conflicts(bench: Bench) -> None:
    uid = bench.service(bench.set_uid, **LABELS)
    report = await bench.apply(a_patch(uid, version=1))
    assert report.stale
    assert not report.failures
    assert bench.cluster.get(Kind.SERVICE, "tide-0")["spec"] == {}


@pytest.mark.parametrize(
    ("kind", "managers", "dropped"),
    [
        (Kind.CLIQUE, ["grove-operator", "grove-operator"], True),
        (Kind.CLIQUE, ["grove-operator", "kubectl"], False),
        (Kind.CLIQUE, [], False),
        (Kind.SERVICE, ["grove-operator"], False),
    ],
)
async def test_who_wrote_which_field_is_dropped_where_it_was_us_alone(
    bench: Bench, kind: Kind, managers: list[str], dropped: bool
) -> None:
    entries = [{"manager": name, "fieldsV1": {"f:spec": {}}} for name in managers]
    metadata = {"name": "tide-0", "namespace": "harbor", "labels": LABELS, "managedFields": entries}
    before = bench.cluster.insert(kind, {"metadata": metadata, "spec": {}})["metadata"]
    patch = Patch(Rank.REMOVE, kind, "tide-0", before["uid"], {"spec": {"a": 2}}, "spec.a")
    report = await bench.apply(patch)
    assert report.done == {("Patch", kind): 1}
    after = bench.cluster.get(kind, "tide-0")["metadata"]["managedFields"]
    assert after == ([{}] if dropped else entries)


async def test_a_manager_that_comes_in_between_is_not_dropped(bench: Bench) -> None:
    entries = [{"manager": "grove-operator"}]
    metadata = {"name": "tide-0", "namespace": "harbor", "labels": LABELS, "managedFields": entries}
    uid = bench.cluster.insert(Kind.CLIQUE, {"metadata": metadata, "spec": {}})["metadata"]["uid"]
    more = {"metadata": {"managedFields": [*entries, {"manager": "kubectl"}]}}
    store, bench.cluster.store = bench.cluster.store, None
    bench.cluster.change(Kind.CLIQUE, "tide-0", more)
    bench.cluster.store = store
    report = await bench.apply(Patch(Rank.REMOVE, Kind.CLIQUE, "tide-0", uid, {"spec": {}}, "spec"))
    assert report.stale
    assert len(bench.cluster.get(Kind.CLIQUE, "tide-0")["metadata"]["managedFields"]) == 2


async def test_a_patch_that_had_no_effect_is_not_repeated(bench: Bench) -> None:
    """Something rewrites what we write: sending it for ever would help nobody."""
    uid = bench.service(bench.set_uid, **LABELS)
    for _ in range(5):
        await bench.apply(a_patch(uid))
    assert bench.cluster.writes() == ["patch Service"]
    bench.cluster.change(Kind.SERVICE, "tide-0", {"spec": {"a": 1}})
    await bench.apply(a_patch(uid))
    assert bench.cluster.get(Kind.SERVICE, "tide-0")["spec"] == {"a": 2}


async def test_a_deleted_object_is_going_away_for_us(bench: Bench) -> None:
    uid = bench.service(bench.set_uid, **LABELS)
    bench.cluster.change(Kind.SERVICE, "tide-0", {"metadata": {"finalizers": ["x"]}})
    await bench.apply(Delete(Rank.REMOVE, Kind.SERVICE, "tide-0", uid, "why"))
    record = bench.store.get(Kind.SERVICE, "harbor", "tide-0")
    assert record is not None
    assert record.meta.deleting


async def test_only_the_object_that_was_seen_is_deleted(bench: Bench) -> None:
    bench.service(bench.set_uid, **LABELS)
    report = await bench.apply(Delete(Rank.REMOVE, Kind.SERVICE, "tide-0", "another", "why"))
    assert report.stale
    assert bench.cluster.names(Kind.SERVICE) == ["tide-0"]


async def test_deleting_what_is_gone_forgets_it(bench: Bench) -> None:
    uid = bench.service(bench.set_uid, **LABELS)
    bench.cluster.held = []
    bench.cluster.remove(Kind.SERVICE, "tide-0")
    report = await bench.apply(Delete(Rank.REMOVE, Kind.SERVICE, "tide-0", uid, "why"))
    assert report.stale
    assert not report.failures
    assert bench.store.get(Kind.SERVICE, "harbor", "tide-0") is None


async def test_a_status_goes_to_its_subresource_only(bench: Bench) -> None:
    uid = bench.service(bench.set_uid, **LABELS)
    patch = StatusPatch(Kind.SERVICE, "tide-0", uid, {"status": {"a": 1}})
    report = await bench.applier.write_statuses("harbor", [patch])
    assert bench.cluster.get(Kind.SERVICE, "tide-0")["status"] == {"a": 1}
    assert report.done == {("Status", Kind.SERVICE): 1}


@pytest.mark.parametrize(
    ("error", "stale", "failed"),
    [(conflict, True, 0), (forbidden, False, 1), (unavailable, False, 1)],
    ids=["conflict", "forbidden", "unavailable"],
)
async def test_a_status_that_is_refused(
    bench: Bench,
    error: "type[object]",
    stale: bool,
    failed: int,
) -> None:
    uid = bench.service(bench.set_uid, **LABELS)
    bench.cluster.fail("patch status", "Service", error)  # type: ignore[arg-type]
    patch = StatusPatch(Kind.SERVICE, "tide-0", uid, {"status": {"a": 1}})
    report = await bench.applier.write_statuses("harbor", [patch])
    assert (report.stale, len(report.failures)) == (stale, failed)


def test_failures_are_told_in_groves_words() -> None:
    error = ForbiddenError("create", 403, "Forbidden", "no room")
    assert describe(a_create(), error) == (
        "ERR_CREATE_SERVICE",
        "[Operation: Sync, Code: ERR_CREATE_SERVICE] message: Service tide-0: no room",
    )
    assert describe(a_patch("u"), ConflictError("x", 409, "y", "z"))[0] == "ERR_SYNC_SERVICE"


DEVICES: dict[str, tuple[Kind, Kind, str]] = {
    "of the set": (Kind.RESOURCE_CLAIM, Kind.SET, "ERR_SYNC_PCS_RESOURCE_CLAIM"),
    "of a group": (Kind.RESOURCE_CLAIM, Kind.SCALING_GROUP, "ERR_SYNC_PCSG_RESOURCE_CLAIM"),
    "of a PodClique": (Kind.RESOURCE_CLAIM, Kind.CLIQUE, "ERR_SYNC_PCLQ_RESOURCE_CLAIM"),
    "a domain": (Kind.COMPUTE_DOMAIN, Kind.SET, "ERR_SYNC_COMPUTEDOMAIN"),
}


@pytest.mark.parametrize(("kind", "owner", "code"), DEVICES.values(), ids=DEVICES)
def test_failures_of_claims_are_told_by_whose_they_are(kind: Kind, owner: Kind, code: str) -> None:
    create = Create(Rank.FOUNDATION, kind, "c", {}, Owner(owner, "tide"))
    assert describe(create, ForbiddenError("create", 403, "Forbidden", "no"))[0] == code
