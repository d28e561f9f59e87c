"""The ResourceClaimTemplates and ResourceClaims that sets name and that are not theirs.

Owns who needs which of them, and tells when one that is needed comes, changes or goes. Watched only
once a set needs any. Used by the operator, which shows them to planning.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from grove_operator.cluster.records import Raw
from grove_operator.cluster.store import Family
from grove_operator.observed import ClaimTemplates

Reference = tuple[str, str]


class ClaimTemplate(msgspec.Struct, frozen=True):
    """`spec` is that of the claims to be made. Of a claim only its name counts: it has none."""

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


class _NamedJson(msgspec.Struct):
    metadata: _MetaJson


_decode = msgspec.json.Decoder(_TemplateJson).decode
_decode_named = msgspec.json.Decoder(_NamedJson).decode


def decode_claim_template(raw: Raw) -> ClaimTemplate:
    json = _decode(raw)
    return ClaimTemplate((json.metadata.namespace, json.metadata.name), json.spec.spec)


def decode_claim(raw: Raw) -> ClaimTemplate:
    meta = _decode_named(raw).metadata
    return ClaimTemplate((meta.namespace, meta.name), {})


class ClaimCache:
    """The sink of the informer of one of both kinds.

    `changed` is called for each set that names what changed, with the replica that needs it.
    """

    def __init__(self, changed: Callable[[Family, int], None]) -> None:
        self.needed = asyncio.Event()
        self._changed = changed
        self._listed = False
        self._specs: dict[Reference, dict[str, Any]] = {}
        self._wanted: dict[Reference, set[Family]] = {}
        self._wants: dict[Family, dict[Reference, int]] = {}

    def want(self, family: Family, references: Mapping[Reference, int]) -> None:
        """Remember what a set names, and for which replica; nothing when it is gone."""
        before = self._wants.get(family, {})
        if references == before:
            return
        for reference in before.keys() - references.keys():
            self._wanted[reference].discard(family)
            if not self._wanted[reference]:
                del self._wanted[reference]
        for reference in references.keys() - before.keys():
            self._wanted.setdefault(reference, set()).add(family)
        if references:
            self._wants[family] = dict(references)
            self.needed.set()
        else:
            self._wants.pop(family, None)

    @property
    def known(self) -> ClaimTemplates | None:
        """All there are; None while that is not known."""
        return self._specs if self._listed else None

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
            self._changed(family, self._wants[family][reference])
