import asyncio
from typing import Any

import msgspec
import pytest

from bench.observe import Progress, _PodEvent, _SetEvent


def pod(kind: str, name: str, *, ready: bool = False) -> _PodEvent:
    conditions = [{"type": "Ready", "status": str(ready)}]
    body = {"metadata": {"name": name}, "status": {"conditions": conditions}}
    return msgspec.convert({"type": kind, "object": body}, _PodEvent)


def a_set(status: dict[str, Any]) -> _SetEvent:
    body = {"metadata": {"name": "s"}, "spec": {"replicas": 2}, "status": status}
    return msgspec.convert({"type": "MODIFIED", "object": body}, _SetEvent)


def test_gone_means_successors_too() -> None:
    progress = Progress(1)
    progress.take_pod(pod("ADDED", "a"))
    progress.take_pod(pod("ADDED", "a-new"))
    progress.take_pod(pod("DELETED", "a"))
    assert "gone" not in progress.reached
    progress.take_pod(pod("DELETED", "a-new"))
    assert "gone" in progress.reached


@pytest.mark.parametrize(
    ("status", "reached"),
    [
        pytest.param({}, False, id="never updated"),
        pytest.param({"updateProgress": {"updateStartedAt": "t"}}, False, id="under way"),
        pytest.param({"updateProgress": {"updateEndedAt": "t"}}, True, id="ended"),
    ],
)
def test_updated_when_the_status_says_so(status: dict[str, Any], reached: bool) -> None:
    progress = Progress(1)
    progress.take_set(a_set(status))
    assert ("updated" in progress.reached) is reached


async def test_waits_until_each_pod_is_ready() -> None:
    progress = Progress(2)
    progress.take_pod(pod("MODIFIED", "a", ready=True))
    waiting = asyncio.create_task(progress.until_ready(["a", "b"]))
    await asyncio.sleep(0)
    progress.take_pod(pod("MODIFIED", "b"))
    await asyncio.sleep(0)
    assert not waiting.done()
    progress.take_pod(pod("MODIFIED", "b", ready=True))
    await asyncio.wait_for(waiting, 5)
