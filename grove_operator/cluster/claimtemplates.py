"""The ResourceClaimTemplates that sets name, which may stand in any namespace.

Owns who needs which of them, and tells when one that is needed comes, changes or goes. Watched only
once a set needs any. Used by the operator, which shows them to planning.
"""

import asyncio
from collections.abc import Callable, Collection
from typing import Any

import msgspec

from grove_operator.cluster.records import Raw
from grove_operator.cluster.store import Family
from grove_operator.observed import ClaimTemplates

Reference = tuple[str, str]


class ClaimTemplate(msgspec.Struct, frozen=True):
    """`spec` is that of the claims to be made."""

    reference: Reference
    spec: dict[str, Any]


class _MetaJson(msgspec.Struct):
    name: str
    namespace: str = ""


class _SpecJson(msgspec.Struct):
    spec: dict[str, Any] = {}


class _TemplateJson(msgspec.Struct):
    metadata: _MetaJson
    spec: _SpecJson = msgspec.field(default_factory=_SpecJson)


_decode = msgspec.json.Decoder(_TemplateJson).decode


def decode_claim_template(raw: Raw) -> ClaimTemplate:
    json = _decode(raw)
    return ClaimTemplate((json.metadata.namespace, json.metadata.name), json.spec.spec)


class TemplateCache:
    """The sink of their informer. `changed` is called for each set that names what changed."""

    def __init__(self, changed: Callable[[Family], None]) -> None:
        self.needed = asyncio.Event()
        self._changed = changed
        self._listed = False
        self._specs: dict[Reference, dict[str, Any]] = {}
        self._wanted: dict[Reference, set[Family]] = {}
        self._wants: dict[Family, frozenset[Reference]] = {}

    def want(self, family: Family, references: Collection[Reference]) -> None:
        """Remember what a set names; nothing when it is gone."""
        wanted = frozenset(references)
        before = self._wants.get(family, frozenset())
        if wanted == before:
            return
        for reference in before - wanted:
            self._wanted[reference].discard(family)
            if not self._wanted[reference]:
                del self._wanted[reference]
        for reference in wanted - before:
            self._wanted.setdefault(reference, set()).add(family)
        if wanted:
            self._wants[family] = wanted
            self.needed.set()
        else:
            self._wants.pop(family, None)

    def for_set(self, family: Family) -> ClaimTemplates | None:
        """What there is of what the set names; None while that is not known."""
        if not self._listed:
            return None
        wanted = self._wants.get(family, ())
        return {item: self._specs[item] for item in wanted if item in self._specs}

    def upsert(self, record: ClaimTemplate) -> None:
        if self._specs.get(record.reference) != record.spec:
            self._specs[record.reference] = record.spec
            self._tell(record.reference)

    def delete(self, record: ClaimTemplate) -> None:
        if self._specs.pop(record.reference, None) is not None:
            self._tell(record.reference)

    def replace(self, records: list[ClaimTemplate], resource_version: str) -> None:
        del resource_version
        first, self._listed = not self._listed, True
        before, self._specs = self._specs, {item.reference: item.spec for item in records}
        for reference in list(self._wanted):
            if first or before.get(reference) != self._specs.get(reference):
                self._tell(reference)

    def _tell(self, reference: Reference) -> None:
        for family in list(self._wanted.get(reference, ())):
            self._changed(family)
