"""Kopf's handlers of the operator: an event is a reason to look, nothing else.

Owns the registration; each handler is one line. Refuses to decide or to write: only `on.event`,
because everything else of Kopf would write to the objects.
"""

from collections.abc import Callable
from typing import Any, Final

import kopf

from grove_operator.cluster.resources import POD_CLIQUE_SETS, TOPOLOGY_BINDINGS, Resource
from grove_operator.process.shell import Bridge, Register, selector

KINDS: Final = (POD_CLIQUE_SETS, TOPOLOGY_BINDINGS)


def event_handlers(
    on_set: Callable[[str, str], None], on_topology: Callable[[str], None]
) -> Register:
    """Call `on_set(namespace, name)` and `on_topology(name)` in the process's own loop."""

    def register(
        registry: kopf.OperatorRegistry, served: frozenset[Resource], bridge: Bridge
    ) -> None:
        if POD_CLIQUE_SETS in served:

            @kopf.on.event(*selector(POD_CLIQUE_SETS), registry=registry)
            async def set_event(namespace: str | None, name: str, **_: Any) -> None:
                bridge.call(on_set, namespace or "", name)

        if TOPOLOGY_BINDINGS in served:

            @kopf.on.event(*selector(TOPOLOGY_BINDINGS), registry=registry)
            async def topology_event(name: str, **_: Any) -> None:
                bridge.call(on_topology, name)

    return register
