"""What admission must ask the cluster: topologies, queues, parents.

Owns the requests and how their failures are told to the rules. Refuses to judge. Each review asks
anew: an answer from a cache could refuse what the user has just put right.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Final

from grove_operator.admission.submission import Facts, Found
from grove_operator.cluster.connection import Api
from grove_operator.cluster.resources import POD_CLIQUE_SETS, TOPOLOGY_BINDINGS, Resource
from grove_operator.errors import ClusterError, NotFoundError

VOLCANO_QUEUES: Final = Resource(
    "scheduling.volcano.sh", "v1beta1", "queues", "Queue", namespaced=False
)
_PATIENCE: Final = 2.0
"""Seconds for one try; two tries must fit into a review."""
_TRIES: Final = 2


class Lookups:
    def __init__(self, api: Api) -> None:
        self._api = api

    async def facts(self, topologies: Iterable[str], queues: Iterable[str]) -> Facts:
        return Facts(
            topologies=await _all(topologies, self._topology),
            volcano_queues=await _all(queues, self._queue),
        )

    async def set_annotations(self, namespace: str, name: str) -> dict[str, str] | None:
        """Annotations of a PodCliqueSet, None if there is none. Raises ClusterError."""
        try:
            found = await self._get(POD_CLIQUE_SETS, namespace, name)
        except NotFoundError:
            return None
        annotations: dict[str, str] = found.get("metadata", {}).get("annotations") or {}
        return annotations

    async def _topology(self, name: str) -> tuple[str, ...]:
        found = await self._get(TOPOLOGY_BINDINGS, None, name)
        return tuple(level["domain"] for level in found["spec"]["levels"])

    async def _queue(self, name: str) -> tuple[str, ...]:
        found = await self._get(VOLCANO_QUEUES, None, name)
        return (str((found.get("status") or {}).get("state", "")),)

    async def _get(self, resource: Resource, namespace: str | None, name: str) -> dict[str, Any]:
        payload = await self._api.request(
            "get", resource, namespace=namespace, name=name, timeout=_PATIENCE, tries=_TRIES
        )
        found: dict[str, Any] = json.loads(payload)
        return found


async def _all(
    names: Iterable[str], look: Callable[[str], Awaitable[tuple[str, ...]]]
) -> dict[str, Found]:
    wanted = sorted(names)
    answers = await asyncio.gather(*(_found(look, name) for name in wanted))
    return dict(zip(wanted, answers, strict=True))


async def _found(look: Callable[[str], Awaitable[tuple[str, ...]]], name: str) -> Found:
    try:
        return Found(await look(name))
    except NotFoundError:
        return Found()
    except ClusterError as error:
        return Found(problem=str(error))
