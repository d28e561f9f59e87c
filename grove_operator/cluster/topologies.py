"""ClusterTopologyBindings and the topology objects of schedulers: a handful, in no set's family."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from grove_operator.cluster.resources import Resource
from grove_operator.observed import Child

KAI_TOPOLOGIES: Final = Resource(
    "kai.scheduler", "v1alpha1", "topologies", "Topology", namespaced=False
)


class Topologies:
    """The sink of an informer: all objects by name. Tells of each that changed, old and new."""

    def __init__(self, changed: Callable[[Child | None, Child | None], None]) -> None:
        self.records: dict[str, Child] = {}
        self._changed = changed

    def upsert(self, record: Child) -> None:
        """The newest state wins: answers to our own writes come in here, too."""
        old = self.records.get(record.meta.name)
        if old is not None and old.meta.version >= record.meta.version:
            return
        self.records[record.meta.name] = record
        self._changed(old, record)

    def delete(self, record: Child) -> None:
        """What is gone may have a successor of the same name, which is known already."""
        old = self.records.get(record.meta.name)
        if old is not None and old.meta.uid != record.meta.uid:
            return
        self.records.pop(record.meta.name, None)
        self._changed(old or record, None)

    def replace(self, records: list[Child], resource_version: str) -> None:
        del resource_version
        listed = {record.meta.name: record for record in records}
        for name in self.records.keys() - listed.keys():
            self.delete(self.records[name])
        for record in listed.values():
            self.upsert(record)


def levels_of(binding: Child) -> Mapping[str, str]:
    """Domain to node label key, broadest first."""
    found: list[dict[str, Any]] = binding.body.get("spec", {}).get("levels") or []
    return {item["domain"]: item["key"] for item in found}
