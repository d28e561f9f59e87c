"""Kopf's admission handlers: they translate between reviews and verdicts, nothing else.

Owns the registration with Kopf and the form of a refusal. Refuses to judge: `gate.py` does, in the
process's own loop. The handlers' ids are the last part of the webhooks' paths.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import kopf

from grove_operator.admission.defaulting import default_podcliqueset
from grove_operator.admission.fields import Verdict, aggregate, in_brackets
from grove_operator.cluster.resources import (
    POD_CLIQUE_SETS,
    POD_CLIQUES,
    POD_GANGS,
    SCALING_GROUPS,
    TOPOLOGY_BINDINGS,
    Resource,
)
from grove_operator.errors import SpecError
from grove_operator.process.shell import Bridge, Register, selector
from grove_operator.webhook.gate import Gate
from grove_operator.webhook.protection import Protection, attempt_of
from grove_operator.webhook.registration import (
    AUTHORIZE,
    DEFAULT_SET,
    VALIDATE_SET,
    VALIDATE_TOPOLOGY,
)

GROVE_KINDS: Final = (POD_CLIQUE_SETS, TOPOLOGY_BINDINGS, POD_CLIQUES, SCALING_GROUPS, POD_GANGS)
"""Kinds that a cluster may not serve yet; Kubernetes' own are always there."""
_FORBIDDEN: Final = 403

Body = dict[str, Any]


def admission_handlers(gate: Gate, protection: Protection | None) -> Register:
    """Handlers for what the cluster serves. Without `protection` there is no authorizer."""

    def register(
        registry: kopf.OperatorRegistry, served: frozenset[Resource], bridge: Bridge
    ) -> None:
        del bridge  # our server awaits Kopf's function in the process's own loop
        if POD_CLIQUE_SETS in served:
            _register_sets(registry, gate)
        if TOPOLOGY_BINDINGS in served:
            _register_topologies(registry, gate)
        if protection is not None:
            for kind in AUTHORIZE.kinds:
                if kind in served or kind not in GROVE_KINDS:
                    _register_protection(registry, protection, kind)

    return register


def _register_sets(registry: kopf.OperatorRegistry, gate: Gate) -> None:
    @kopf.on.mutate(*selector(POD_CLIQUE_SETS), id=DEFAULT_SET.handler, registry=registry)
    async def default(body: kopf.Body, patch: kopf.Patch, **_: Any) -> None:
        before = dict(body)
        after = default_podcliqueset(before)
        if after != before:  # else Kopf would copy and compare it all
            patch.fns.append(_become(after))

    @kopf.on.validate(*selector(POD_CLIQUE_SETS), id=VALIDATE_SET.handler, registry=registry)
    async def validate(body: kopf.Body, warnings: list[str], **rest: Any) -> None:
        old = rest["old"]
        before = None if old is None else dict(old)
        await _review(gate.review_set(dict(body), before), warnings)


def _register_topologies(registry: kopf.OperatorRegistry, gate: Gate) -> None:
    @kopf.on.validate(*selector(TOPOLOGY_BINDINGS), id=VALIDATE_TOPOLOGY.handler, registry=registry)
    async def validate(body: kopf.Body, warnings: list[str], **_: Any) -> None:
        await _review(gate.review_topology(dict(body)), warnings)


def _register_protection(
    registry: kopf.OperatorRegistry, protection: Protection, kind: Resource
) -> None:
    @kopf.on.validate(*selector(kind), id=AUTHORIZE.handler, registry=registry)
    async def authorize(
        body: kopf.Body, userinfo: Mapping[str, Any], warnings: list[str], **rest: Any
    ) -> None:
        decisive = dict(body if rest["old"] is None else rest["old"])
        user = userinfo.get("username", "")
        attempt = attempt_of(rest["operation"], user, kind.group, kind.plural, decisive)
        decision = await protection.review(attempt)
        warnings.extend(decision.warnings)
        if not decision.allowed:
            raise kopf.AdmissionError(decision.message, code=decision.code)


async def _review(judging: Awaitable[Verdict], warnings: list[str]) -> None:
    """Pass warnings on, refuse what has errors."""
    try:
        judged = await judging
    except SpecError as error:
        raise kopf.AdmissionError(in_brackets(error.problems), code=_FORBIDDEN) from error
    warnings.extend(judged.warnings)
    if not judged.allowed:
        raise kopf.AdmissionError(aggregate(judged.errors), code=_FORBIDDEN)


def _become(whole: Body) -> Callable[[Any], None]:
    """Kopf compares the object before and after; so only what differs is patched."""

    def change(body: Any) -> None:
        body.update(whole)

    return change
