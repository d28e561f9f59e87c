"""Finds out which API resources the cluster serves.

Owns the reading of API discovery for the groups that we care about. Refuses to guess by server
version: alpha and beta groups come and go with feature gates. Read at start and every few minutes
by the scheduling backends' wiring.
"""

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import Callable
from typing import Any, Final

import msgspec

from grove_operator.cluster.connection import Api
from grove_operator.cluster.resources import (
    COMPOSITE_POD_GROUPS,
    COMPUTE_DOMAINS,
    DEFINITIONS,
    KAI_POD_GROUPS,
    OLDER_CLAIMS,
    POD_CLIQUE_SETS,
    POD_GANGS,
    POD_GROUPS,
    POD_MONITORS,
    RESOURCE_CLAIMS,
    TOPOLOGY_BINDINGS,
    VOLCANO_POD_GROUPS,
    Resource,
)
from grove_operator.errors import (
    ClusterError,
    ForbiddenError,
    NotFoundError,
    UnavailableError,
)

Served = frozenset[tuple[str, str, str]]
"""Triples of group, version and plural."""

GROUP_VERSIONS: Final = tuple(
    sorted(
        {
            (resource.group, resource.version)
            for resource in (
                TOPOLOGY_BINDINGS,
                POD_GANGS,
                POD_GROUPS,
                COMPOSITE_POD_GROUPS,
                POD_MONITORS,
                RESOURCE_CLAIMS,
                *OLDER_CLAIMS,
                COMPUTE_DOMAINS,
                KAI_POD_GROUPS,
                VOLCANO_POD_GROUPS,
            )
        }
        | {
            ("kai.scheduler", "v1alpha1"),
        }
    )
)
_OUR_OWN: Final = (POD_CLIQUE_SETS, TOPOLOGY_BINDINGS, POD_GANGS)
_ALERT: Final = 20.0
"""Seconds between looks for what a set waits for."""
_LOG = logging.getLogger(__name__)


VOLCANO_SUB_GROUPS: Final = (VOLCANO_POD_GROUPS.group, VOLCANO_POD_GROUPS.version, "subGroupPolicy")
"""Stands among what is served when Volcano's PodGroups have that field."""


class _Entry(msgspec.Struct):
    name: str


class _List(msgspec.Struct):
    resources: list[_Entry] = []


_DECODE: Final = msgspec.json.Decoder(_List).decode


async def served(api: Api, group_versions: tuple[tuple[str, str], ...] = GROUP_VERSIONS) -> Served:
    """Ask for each group and version; one that is absent serves nothing.

    One small answer per group: the aggregated document of a cluster with many CRDs is megabytes.
    """
    found: set[tuple[str, str, str]] = set()
    for group, version in group_versions:
        found |= await _plurals(api, group, version)
    return frozenset(found)


async def with_sub_groups(api: Api, found: Served) -> Served:
    """Add whether Volcano's PodGroups know policies for parts of them; discovery cannot tell."""
    if not is_served(found, VOLCANO_POD_GROUPS):
        return found
    name = f"{VOLCANO_POD_GROUPS.plural}.{VOLCANO_POD_GROUPS.group}"
    try:
        definition = msgspec.json.decode(await api.get(DEFINITIONS, None, name))
    except (NotFoundError, ForbiddenError):
        return found
    versions = {item["name"]: item for item in definition["spec"]["versions"]}
    at: Any = versions.get(VOLCANO_POD_GROUPS.version, {}).get("schema", {})
    for key in ("openAPIV3Schema", "properties", "spec", "properties"):
        at = at.get(key, {})
    return found | {VOLCANO_SUB_GROUPS} if "subGroupPolicy" in at else found


def is_served(found: Served, resource: Resource) -> bool:
    return (resource.group, resource.version, resource.plural) in found


class Discovery:
    """Keeps the answer fresh. `on_change` is called with each answer that differs from the last.

    While a kind of our own is missing, or that of a scheduler which a set names, somebody is about
    to install the CRDs: then it looks often. It also looks more often than usual while `lacks`
    finds that users wait for something.
    """

    def __init__(
        self,
        api: Api,
        on_change: Callable[[Served], None],
        interval: float = 180.0,
        eager: float = 5.0,
        lacks: Callable[[Served], bool] = lambda _: False,
    ) -> None:
        self._api = api
        self._on_change = on_change
        self._interval = interval
        self._eager = min(eager, interval)
        self._lacks = lacks
        self._wanted = asyncio.Event()
        self.asks_volcano = False
        """Whether Volcano's definition is read as well."""
        self.impatient: Callable[[], bool] = lambda: False
        """Whether a set waits for something that is not served."""
        self.known = asyncio.Event()
        self.served: Served = frozenset()

    def refresh_soon(self) -> None:
        """Look now, for example because a create was answered by 404."""
        self._wanted.set()

    async def refresh(self) -> Served:
        found = await served(self._api)
        if self.asks_volcano:
            found = await with_sub_groups(self._api, found)
        if found != self.served or not self.known.is_set():
            _LOG.info("served API resources changed", extra={"count": len(found)})
            self.served = found
            self.known.set()
            self._on_change(found)
        return found

    async def run(self) -> None:
        """Refresh for ever. While the API server does not answer, the last answer stays."""
        while True:
            wait = self._eager
            try:
                found = await self.refresh()
                complete = all(is_served(found, resource) for resource in _OUR_OWN)
                if complete and not self.impatient():
                    wait = self._interval
            except ClusterError as error:
                _LOG.warning("API discovery failed", extra={"error": str(error)})
            await self._pause(wait * random.uniform(0.8, 1.2))  # noqa: S311 - spreads load

    async def _pause(self, seconds: float) -> None:
        """At most so long; less if it is asked to look, or users begin to wait for something."""
        ends = time.monotonic() + seconds
        while (left := ends - time.monotonic()) > 0:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(left, _ALERT)):
                    await self._wanted.wait()
            if self._wanted.is_set() or self._lacks(self.served):
                break
        self._wanted.clear()


async def _plurals(api: Api, group: str, version: str) -> Served:
    root = Resource(group, version, "", "APIResourceList", namespaced=False)
    try:
        payload = await api.list(root)
    except NotFoundError:
        return frozenset()
    try:
        entries = _DECODE(payload).resources
    except msgspec.MsgspecError as error:
        raise UnavailableError(f"discover {group}/{version}", 0, "Malformed", str(error)) from error
    return frozenset((group, version, entry.name) for entry in entries if "/" not in entry.name)
