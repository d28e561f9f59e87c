"""What the cluster comes to serve is told to the planner, without a restart."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from grove_operator.cluster.config import ClientOptions
from grove_operator.cluster.discovery import VOLCANO_SUB_GROUPS
from grove_operator.cluster.resources import (
    KAI_POD_GROUPS,
    OLDER_CLAIMS,
    POD_GROUPS,
    POD_MONITORS,
    VOLCANO_POD_GROUPS,
    Resource,
)
from grove_operator.observed import Kind
from grove_operator.operator.app import Operator
from grove_operator.scheduling.profiles import Presence
from grove_operator.settings import Settings
from tests.unit.cluster.fake_api import FakeApi, connect


@pytest.fixture
async def operator(tmp_path: Path) -> AsyncIterator[Operator]:
    async with connect(FakeApi(), tmp_path) as api:
        options = ClientOptions(kubeconfig=str(tmp_path / "kubeconfig"))
        yield Operator(api, Settings(), options)


def found(*resources: Resource) -> frozenset[tuple[str, str, str]]:
    return frozenset((item.group, item.version, item.plural) for item in resources)


async def test_pod_monitors_count_once_they_are_served_and_listed(operator: Operator) -> None:
    offered = [operator.reconciler.capabilities.pod_monitors]
    operator._discovered(found(POD_MONITORS))
    offered.append(operator.reconciler.capabilities.pod_monitors)
    operator.informers[Kind.POD_MONITOR].synced.set()
    operator._offer()
    offered.append(operator.reconciler.capabilities.pod_monitors)
    operator._discovered(found())
    offered.append(operator.reconciler.capabilities.pod_monitors)
    assert offered == [False, False, True, False]


async def test_an_older_version_of_claims_is_good_for_users_alone(operator: Operator) -> None:
    offered = []
    for resources in ((), OLDER_CLAIMS[:1], ()):
        operator._discovered(found(*resources))
        capabilities = operator.reconciler.capabilities
        offered.append((capabilities.resource_claims, capabilities.older_claims))
    assert offered == [(False, False), (False, True), (False, False)]


async def test_pod_monitors_that_may_not_be_read_hold_nothing_else_up(operator: Operator) -> None:
    operator.informers[Kind.POD_GROUP].synced.set()
    operator._discovered(found(POD_MONITORS, POD_GROUPS))
    assert operator.reconciler.capabilities.pod_groups
    assert not operator.reconciler.capabilities.pod_monitors


async def test_no_set_is_looked_at_before_pod_monitors_were_asked_for(
    operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the answer: else sets that have one would be told that there can be none."""
    looked = asyncio.Event()
    monkeypatch.setattr(operator.reconciler.attention, "look_at_everything", looked.set)
    operator._discovered(found(POD_MONITORS))
    operator.discovery.known.set()
    monitors = operator.informers[Kind.POD_MONITOR]
    others = (operator.priority_informer, operator.node_informer)
    for informer in (*operator.informers.values(), *others):
        if informer is not monitors:
            informer.synced.set()
    operator.elector.leading.set()
    looked.clear()
    work = asyncio.create_task(operator._work())
    try:
        for _ in range(5):
            await asyncio.sleep(0)
        assert not looked.is_set()
        monitors.tried.set()
        async with asyncio.timeout(5):
            await looked.wait()
    finally:
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)


async def test_gangs_wait_for_the_cache_of_their_groups(operator: Operator) -> None:
    operator._discovered(found(POD_GROUPS))
    assert not operator.reconciler.capabilities.pod_groups
    operator.informers[Kind.POD_GROUP].synced.set()
    operator._offer()
    assert operator.reconciler.capabilities.pod_groups


KAI_AND_VOLCANO = {
    "scheduler": {"profiles": [{"name": "kai-scheduler"}, {"name": "volcano"}]},
}


@pytest.fixture
async def with_others(tmp_path: Path) -> AsyncIterator[Operator]:
    async with connect(FakeApi(), tmp_path) as api:
        options = ClientOptions(kubeconfig=str(tmp_path / "kubeconfig"))
        yield Operator(api, Settings.model_validate(KAI_AND_VOLCANO), options)


async def test_schedulers_that_are_not_enabled_are_not_followed(operator: Operator) -> None:
    assert Kind.KAI_POD_GROUP not in operator.informers
    operator._discovered(found(KAI_POD_GROUPS, VOLCANO_POD_GROUPS))
    profiles = operator.reconciler.capabilities.profiles
    assert profiles.enabled == {"default-scheduler"}
    assert not profiles.served


async def test_a_scheduler_counts_once_its_groups_are_listed(with_others: Operator) -> None:
    operator = with_others
    operator._discovered(found())
    offered = [operator.reconciler.capabilities.profiles.served]
    operator._discovered(found(KAI_POD_GROUPS))
    offered.append(operator.reconciler.capabilities.profiles.served)
    operator.informers[Kind.KAI_POD_GROUP].synced.set()
    operator._offer()
    offered.append(operator.reconciler.capabilities.profiles.served)
    operator._discovered(found())
    offered.append(operator.reconciler.capabilities.profiles.served)
    assert offered == [set(), set(), {"kai-scheduler"}, set()]


async def test_a_volcano_without_sub_groups_is_too_old(with_others: Operator) -> None:
    operator = with_others
    operator.informers[Kind.VOLCANO_POD_GROUP].synced.set()
    operator._discovered(found(VOLCANO_POD_GROUPS))
    profiles = operator.reconciler.capabilities.profiles
    assert profiles.presence("volcano") is Presence.OUTDATED
    operator._discovered(found(VOLCANO_POD_GROUPS) | {VOLCANO_SUB_GROUPS})
    profiles = operator.reconciler.capabilities.profiles
    assert profiles.presence("volcano") is Presence.SERVED
