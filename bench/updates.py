"""A rolling update by hand: the pods of a set deleted and made again in an update's own batches.

Set replicas go one after another. Inside one, each standalone clique's pods follow one another,
each scaling group's replicas do with all their pods at once, and cliques and groups go on side by
side. A batch is deleted, made anew under new names, and awaited. Nobody decides or writes a status,
so no operator that keeps to these batches can be faster.
"""

import asyncio
from collections.abc import Iterable, Mapping
from copy import deepcopy
from typing import Any

from bench.observe import Progress
from bench.wire import Wire, collection
from grove_operator.api import labels

Body = dict[str, Any]
Batch = list[Body]
Chain = list[Batch]

NEW_IMAGE = "pause:3.11"


def plan_batches(pods: Iterable[Body]) -> list[list[Chain]]:
    """By set replica: chains that go on side by side, each of batches that follow one another."""
    replicas: dict[int, dict[str, dict[str, Batch]]] = {}
    for pod in pods:
        marks = pod["metadata"]["labels"]
        group = marks.get(labels.SCALING_GROUP)
        chain = group or marks[labels.PODCLIQUE]
        step = marks[labels.GROUP_REPLICA_INDEX] if group else pod["metadata"]["name"]
        chains = replicas.setdefault(int(marks[labels.REPLICA_INDEX]), {})
        chains.setdefault(chain, {}).setdefault(step, []).append(pod)
    return [
        [list(batches.values()) for batches in chains.values()]
        for _, chains in sorted(replicas.items())
    ]


def successor(pod: Body) -> Body:
    """The pod that takes another's place: a new name, a new image, the rest as it was."""
    metadata = pod["metadata"]
    containers = [body | {"image": NEW_IMAGE} for body in pod["spec"]["containers"]]
    return pod | {
        "metadata": metadata | {"name": f"{metadata['name']}-new"},
        "spec": pod["spec"] | {"containers": containers},
    }


def with_new_image(podcliqueset: Body) -> Body:
    """The merge patch that gives each clique a new image."""
    cliques = deepcopy(podcliqueset["spec"]["template"]["cliques"])
    for clique in cliques:
        for container in clique["spec"]["podSpec"]["containers"]:
            container["image"] = NEW_IMAGE
    return {"spec": {"template": {"cliques": cliques}}}


def outdated(pods: Iterable[Mapping[str, Any]]) -> list[str]:
    """Names of the pods that are not what an update should have led to: new and ready."""
    return [pod["metadata"]["name"] for pod in pods if not _is_new(pod)]


def _is_new(pod: Mapping[str, Any]) -> bool:
    images = {container["image"] for container in pod["spec"]["containers"]}
    conditions = pod["status"].get("conditions", ())
    is_ready = any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)
    return images == {NEW_IMAGE} and is_ready and "deletionTimestamp" not in pod["metadata"]


async def update_by_hand(wire: Wire, pods: Iterable[Body], progress: Progress) -> None:
    for chains in plan_batches(pods):
        async with asyncio.TaskGroup() as group:
            for chain in chains:
                group.create_task(_follow(wire, chain, progress))


async def _follow(wire: Wire, chain: Chain, progress: Progress) -> None:
    for batch in chain:
        new = [successor(pod) for pod in batch]
        await asyncio.gather(*(wire.send("DELETE", _path(pod)) for pod in batch))
        await asyncio.gather(*(wire.create(pod) for pod in new))
        await progress.until_ready(pod["metadata"]["name"] for pod in new)


def _path(pod: Body) -> str:
    return f"{collection(pod)}/{pod['metadata']['name']}"
