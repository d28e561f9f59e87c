"""Totals that move by differences are the totals; a gang's first placement is measured once."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from grove_operator import metrics
from grove_operator.operator.fleet import Fleet
from grove_operator.plan.tally import GangTally, ReplicaTally, Sums

CREATED = "2026-03-01T10:00:00Z"
CREATED_AT = 1772359200.0


class Clock:
    now = CREATED_AT

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def fleet(clock: Clock) -> Iterator[Fleet]:
    yield Fleet(clock)
    Fleet(clock).measure()  # the registry is the process's; leave it as it was


def a_gang(phase: str = "Pending", *, before: str = "", name: str = "tide-0") -> GangTally:
    since = CREATED if phase == "Pending" else ""
    return GangTally(name, f"uid-{name}", CREATED, phase, before, since)


def a_tally(*gangs: GangTally, available: bool = False, **sums: Any) -> ReplicaTally:
    cliques = sums.get("cliques", Sums(3, 2, 1))
    return ReplicaTally(available, cliques, sums.get("groups", Sums()), gangs)


def value(name: str, **labels: str) -> float:
    found = metrics.REGISTRY.get_sample_value(f"grove_operator_{name}", labels)
    return 0.0 if found is None else found


def test_totals_follow_every_change(fleet: Fleet) -> None:
    fleet.file("a", a_tally(a_gang(), a_gang("Starting", name="tide-0-crew-1")))
    fleet.file("b", a_tally(a_gang("Running"), available=True, groups=Sums(4, 4, 0)))
    fleet.file("a", a_tally(a_gang("Starting"), cliques=Sums(5, 4, 0)))
    fleet.measure()
    assert [value("gangs", phase=phase) for phase in ("Pending", "Starting", "Running")] == [
        0,
        1,
        1,
    ]
    assert value("replicas_wanted", kind="PodCliqueSet") == 2
    assert value("replicas_available", kind="PodCliqueSet") == 1
    assert value("replicas_wanted", kind="PodClique") == 8
    assert value("replicas_available", kind="PodClique") == 6
    assert value("min_available_breached", kind="PodClique") == 1
    assert value("replicas_wanted", kind="PodCliqueScalingGroup") == 4


def test_a_replica_that_is_gone_counts_no_more(fleet: Fleet) -> None:
    fleet.file("a", a_tally(a_gang()))
    fleet.file("a", None)
    fleet.file("never seen", None)
    fleet.measure()
    assert value("gangs", phase="Pending") == 0
    assert value("replicas_wanted", kind="PodClique") == 0
    assert value("replicas_wanted", kind="PodCliqueSet") == 0
    assert value("gang_oldest_pending_seconds") == 0


def test_the_longest_wait_is_that_of_the_oldest_gang(fleet: Fleet, clock: Clock) -> None:
    late = a_gang(name="late")._replace(since="2026-03-01T10:05:00Z")
    fleet.file("a", a_tally(late))
    fleet.file("b", a_tally(a_gang(name="early"), late))
    clock.now += 600
    fleet.measure()
    assert value("gang_oldest_pending_seconds") == 600
    fleet.file("b", a_tally(a_gang("Running", name="early")))
    fleet.measure()
    assert value("gang_oldest_pending_seconds") == 300


def test_an_unhealthy_gang_is_counted_while_it_is(fleet: Fleet) -> None:
    fleet.file("a", a_tally(a_gang("Starting")._replace(unhealthy=True)))
    fleet.measure()
    assert value("gangs_unhealthy") == 1
    fleet.file("a", a_tally(a_gang("Running")))
    fleet.measure()
    assert value("gangs_unhealthy") == 0


STORIES = {
    "placed, then ready": (["Pending", "Starting", "Running"], "", 1, 1),
    "both at one look": (["Pending", "Running"], "", 1, 1),
    "never seen before it ran": (["Running"], "", 1, 1),
    "lost its place and found another": (["Pending", "Starting", "Pending", "Starting"], "", 1, 0),
    "ready, lost and ready again": (["Running", "Starting", "Running"], "", 1, 1),
    "placed under an earlier leader": (["Starting", "Running"], "Starting", 0, 1),
    "ready under an earlier leader": (["Pending", "Starting", "Running"], "Running", 0, 0),
    "not placed yet": (["Pending", "Pending"], "Pending", 0, 0),
}


@pytest.mark.parametrize(("phases", "before", "placed", "ready"), STORIES.values(), ids=STORIES)
def test_the_first_time_is_measured_once(
    fleet: Fleet, clock: Clock, phases: list[str], before: str, placed: int, ready: int
) -> None:
    names = ("gang_scheduled_seconds_count", "gang_ready_seconds_count")
    counts = [value(name) for name in names]
    for phase in phases:
        clock.now += 10
        fleet.file("a", a_tally(a_gang(phase, before=before)))
    assert [value(name) - old for name, old in zip(names, counts, strict=True)] == [placed, ready]


def test_times_run_from_the_creation(fleet: Fleet, clock: Clock) -> None:
    before = value("gang_scheduled_seconds_sum"), value("gang_ready_seconds_sum")
    fleet.file("a", a_tally(a_gang()))
    clock.now += 7
    fleet.file("a", a_tally(a_gang("Starting")))
    clock.now += 5
    fleet.file("a", a_tally(a_gang("Running")))
    assert value("gang_scheduled_seconds_sum") - before[0] == 7
    assert value("gang_ready_seconds_sum") - before[1] == 12


def test_a_clock_behind_the_server_gives_no_negative_time(fleet: Fleet, clock: Clock) -> None:
    before = value("gang_ready_seconds_sum")
    clock.now -= 30
    fleet.file("a", a_tally(a_gang("Running")))
    assert value("gang_ready_seconds_sum") == before


def test_a_gang_made_anew_is_another_gang(fleet: Fleet) -> None:
    before = value("gang_ready_seconds_count")
    fleet.file("a", a_tally(a_gang("Running")))
    again = a_gang("Running")._replace(uid="another")
    fleet.file("a", replace(a_tally(again), available=True))
    assert value("gang_ready_seconds_count") - before == 2


def test_rejected_sets_are_counted_while_they_are(fleet: Fleet) -> None:
    fleet.reject("tide", rejected=True)
    fleet.reject("tide", rejected=True)
    fleet.reject("sand", rejected=True)
    fleet.reject("sand", rejected=False)
    fleet.reject("never", rejected=False)
    fleet.measure()
    assert value("sets_rejected") == 1


def test_updates_are_followed_from_their_beginning_to_their_end(fleet: Fleet, clock: Clock) -> None:
    ended = value("update_duration_seconds_count")
    stuck = [{"type": "Updating", "status": "True", "reason": "Waiting"}]
    progress = {"updateStartedAt": CREATED}
    fleet.follow("tide", {"updateProgress": progress})
    fleet.follow("reef", {"updateProgress": progress, "conditions": stuck})
    clock.now = CREATED_AT + 60
    fleet.measure()
    assert (value("updates", state="progressing"), value("updates", state="waiting")) == (1, 1)
    assert value("update_oldest_seconds") == 60
    fleet.follow("tide", {"updateProgress": progress | {"updateEndedAt": CREATED}})
    fleet.follow("reef", {})
    fleet.measure()
    assert (value("updates", state="progressing"), value("updates", state="waiting")) == (0, 0)
    assert value("update_duration_seconds_count") == ended + 1
