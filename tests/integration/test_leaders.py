"""Two operators, one of which leads: takeover, and never two that write."""

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path

import pytest

from grove_operator.api.rights import LEASE
from tests.integration.conftest import Stage
from tests.integration.sets import plain
from tests.support.operator import OperatorProcess
from tests.support.privileges import NAMESPACE, operator_kubeconfig
from tools.localcluster import LocalCluster

CRASH_LIMIT = 20.0
STOP_LIMIT = 3.0
_NOISE = 2.0
"""Seconds that a busy machine may add to a limit."""


@pytest.fixture
def pair(ground: LocalCluster, tmp_path: Path) -> Iterator[list[OperatorProcess]]:
    """The first one leads. The lease is the one that they may have: in their own namespace."""
    kubeconfig = operator_kubeconfig(ground)
    # Somebody who was killed may hold it for a while yet.
    ground.kubectl("delete", "lease", LEASE, "--namespace", NAMESPACE, "--ignore-not-found")
    election = {"GROVE_LEADER_ELECTION__ENABLED": "true"}
    with ExitStack() as stack:
        first = stack.enter_context(OperatorProcess(kubeconfig, tmp_path, **election))
        first.wait_leading()
        second = stack.enter_context(OperatorProcess(kubeconfig, tmp_path, **election))
        yield [first, second]


async def test_only_the_leader_writes(stage: Stage, pair: list[OperatorProcess]) -> None:
    leader, standby = pair
    await stage.create(plain())
    await stage.settled()
    assert leader.metric("grove_operator_leader") == 1
    assert leader.writes() > 0
    assert standby.metric("grove_operator_leader") == 0
    assert standby.writes() == 0
    assert standby.readyz().status == 200


@asynccontextmanager
async def taking_over(standby: OperatorProcess, limit: float) -> AsyncIterator[None]:
    began = time.monotonic()
    yield
    await asyncio.to_thread(standby.wait_leading)
    assert time.monotonic() - began < limit + _NOISE


async def test_the_standby_takes_over_from_a_crashed_leader(
    stage: Stage, pair: list[OperatorProcess]
) -> None:
    leader, standby = pair
    await stage.create(plain())
    await stage.settled()
    async with taking_over(standby, CRASH_LIMIT):
        leader.kill()
    await stage.scale("PodClique", "plain-0-main", 3)
    await stage.settled()


async def test_the_standby_takes_over_at_once_from_a_leader_that_is_stopped(
    stage: Stage, pair: list[OperatorProcess]
) -> None:
    leader, standby = pair
    await stage.create(plain())
    await stage.settled()
    async with taking_over(standby, STOP_LIMIT):
        leader.signal(signal.SIGTERM)
    assert leader.wait_ended() == 0
    await stage.scale("PodClique", "plain-0-main", 3)
    await stage.settled()


async def test_a_leader_that_was_frozen_does_not_write_again(
    stage: Stage, pair: list[OperatorProcess]
) -> None:
    """It wakes up as a former leader, ends without a write, and its work is done already."""
    leader, standby = pair
    await stage.create(plain())
    await stage.settled()
    leader.freeze()
    await asyncio.to_thread(standby.wait_leading)
    await stage.scale("PodClique", "plain-0-main", 3)
    await stage.settled()
    leader.thaw()
    assert await asyncio.to_thread(leader.wait_ended) != 0
    await stage.settled()
