"""ClusterTopologyBindings: levels and schedulers, each once.

Owns the verdict on a binding. Looks at the new object only: levels that are in use may go, and the
sets that miss them say so in a condition.
"""

from collections.abc import Iterator
from typing import Final

from grove_operator.admission.fields import FieldError, Verdict, duplicate, invalid, verdict
from grove_operator.admission.schedulers import KAI
from grove_operator.admission.submission import Policy
from grove_operator.api.labels import DEFAULT_SCHEDULER
from grove_operator.api.topology import ClusterTopologyBinding

_TOPOLOGY_AWARE: Final = frozenset({KAI})
"""Schedulers that have a topology object of their own."""


def validate_topology_binding(binding: ClusterTopologyBinding, policy: Policy) -> Verdict:
    return verdict((*_levels(binding), *_schedulers(binding, policy)))


def _levels(binding: ClusterTopologyBinding) -> Iterator[FieldError]:
    domains: set[str] = set()
    keys: set[str] = set()
    for index, level in enumerate(binding.spec.levels):
        path = f"spec.levels[{index}]"
        if level.domain in domains:
            yield duplicate(f"{path}.domain", level.domain)
        if level.key in keys:
            yield duplicate(f"{path}.key", level.key)
        domains.add(level.domain)
        keys.add(level.key)


def _schedulers(binding: ClusterTopologyBinding, policy: Policy) -> Iterator[FieldError]:
    seen: set[str] = set()
    enabled = {DEFAULT_SCHEDULER, *policy.profiles}
    for index, reference in enumerate(binding.spec.scheduler_topology_bindings):
        path, name = (
            f"spec.schedulerTopologyBindings[{index}].schedulerName",
            reference.scheduler_name,
        )
        if name in seen:
            yield duplicate(path, name)
        if name not in enabled:
            yield invalid(path, name, "scheduler backend is not enabled in Grove")
        elif name not in _TOPOLOGY_AWARE:
            detail = "scheduler backend does not implement topology-aware scheduling"
            yield invalid(path, name, detail)
        seen.add(name)
