"""What the cluster itself costs: the same objects posted straight, with no operator at all.

Floor A is the pods alone. Floor B is everything that the set becomes, parents before children so
that owner references hold real UIDs, and pods last so that their gangs exist.
"""

import time
from collections.abc import Callable, Iterator
from itertools import groupby
from typing import Any

from bench.measure import UPDATED, Measurement
from bench.observe import Progress, observing
from bench.shapes import MADE_UP_SET_UID, bare_pods
from bench.updates import update_by_hand
from bench.wire import Wire


async def bare_pods_floor(
    wire: Wire, namespace: str, shape: str, family: list[dict[str, Any]], *, update: bool = False
) -> Measurement:
    pods = bare_pods(family)
    result = Measurement(shape, "pods alone", len(pods))
    async with observing(wire, namespace, len(pods)) as progress:
        start = time.monotonic()
        await wire.create_all(pods)
        result.note("created", start, await progress.until("created"))
        result.note("placed", start, await progress.until("placed"))
        result.note("ready", start, await progress.until("ready"))
        if update:
            await _update(wire, pods, progress, result)
        start = time.monotonic()
        await wire.send("DELETE", f"/api/v1/namespaces/{namespace}/pods")
        result.note("gone", start, await progress.until("gone"))
    return result


async def family_floor(
    wire: Wire,
    podcliqueset: dict[str, Any],
    family: list[dict[str, Any]],
    scheduler_cpu: Callable[[], float],
    *,
    update: bool = False,
) -> Measurement:
    pods = sum(body["kind"] == "Pod" for body in family)
    name, namespace = podcliqueset["metadata"]["name"], podcliqueset["metadata"]["namespace"]
    result = Measurement(name, "same objects", pods)
    async with observing(wire, namespace, pods) as progress:
        start, spent = time.monotonic(), scheduler_cpu()
        uids = {MADE_UP_SET_UID: await wire.create(podcliqueset)}
        for wave in waves(family):
            uids |= dict(await wire.create_all(_owned(body, uids) for body in wave))
        result.note("created", start, await progress.until("created"))
        result.note("placed", start, await progress.until("placed"))
        result.note("ready", start, await progress.until("ready"))
        result.scheduler_cpu = scheduler_cpu() - spent
        if update:
            members = [_owned(body, uids) for body in family if body["kind"] == "Pod"]
            await _update(wire, members, progress, result)
        start = time.monotonic()
        # Without an operator the garbage collector does it all.
        path = f"/apis/grove.io/v1alpha1/namespaces/{namespace}/podcliquesets/{name}"
        await wire.send("DELETE", f"{path}?propagationPolicy=Background")
        result.note("gone", start, await progress.until("gone"))
    return result


async def _update(
    wire: Wire, pods: list[dict[str, Any]], progress: Progress, result: Measurement
) -> None:
    start = time.monotonic()
    await update_by_hand(wire, pods, progress)
    result.note(UPDATED, start, time.monotonic())


def waves(family: list[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """Objects that may be posted at the same time: owners first, one kind at a time, pods last."""
    order: dict[str, int] = {}
    depth = {MADE_UP_SET_UID: 0}
    for body in family:
        order.setdefault(body["kind"], len(order))
        depth[body["metadata"]["uid"]] = depth[_owner(body)] + 1

    def key(body: dict[str, Any]) -> tuple[bool, int, int]:
        if body["kind"] == "Pod":
            return True, 0, 0
        return False, depth[_owner(body)], order[body["kind"]]

    for _, wave in groupby(sorted(family, key=key), key=key):
        yield list(wave)


def _owner(body: dict[str, Any]) -> str:
    uid: str = body["metadata"]["ownerReferences"][0]["uid"]
    return uid


def _owned(body: dict[str, Any], uids: dict[str, str]) -> dict[str, Any]:
    reference = body["metadata"]["ownerReferences"][0] | {"uid": uids[_owner(body)]}
    return body | {"metadata": body["metadata"] | {"ownerReferences": [reference]}}
