"""Plans one ClusterTopologyBinding: the topology objects of schedulers, and its own status.

A scheduler whose object somebody else looks after (`schedulerTopologyBindings`) is only compared;
for any other that has topology we keep an object of the binding's name. Only KAI has any so far.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from grove_operator.api import conditions as c
from grove_operator.api import labels
from grove_operator.desired.blueprint import owner_reference
from grove_operator.observed import Child, Kind
from grove_operator.plan.actions import Event, merge_patch

KAI: Final = "kai-scheduler"
KAI_API: Final = "kai.scheduler/v1alpha1"
DRIFT_DETECTED: Final = "TopologyDriftDetected"
IN_SYNC: Final = "TopologyInSync"
_NOT_SERVED: Final = f"the API server serves no Topology ({KAI_API})"


@dataclass(frozen=True, slots=True)
class KaiFacts:
    """What is known of KAI. `topologies` are its Topology objects by name."""

    enabled: bool = False
    served: bool = False
    topologies: Mapping[str, Child] | None = None
    """None while they have not been listed."""
    error: str = ""
    """Why our own last write failed."""


@dataclass(frozen=True, slots=True)
class BindingPlan:
    """Delete, then create, then the status; the event once that is stored."""

    delete: Child | None = None
    create: dict[str, Any] | None = None
    status: dict[str, Any] | None = None
    event: Event | None = None


@dataclass(frozen=True, slots=True)
class _Compared:
    """One entry of the status. `found` is False for a scheduler that cannot have a topology."""

    body: dict[str, Any]
    found: bool = True
    failed: bool = False


def plan_binding(binding: Child, kai: KaiFacts, now: str) -> BindingPlan:
    """Without facts about the objects that are there nothing is planned."""
    if binding.meta.deleting or (kai.enabled and kai.served and kai.topologies is None):
        return BindingPlan()
    references = {item["schedulerName"]: item["topologyReference"] for item in _references(binding)}
    delete, create = None, None
    if kai.enabled and kai.served and KAI not in references:
        delete, create = _keep(binding, kai.topologies or {})
    compared = list(_compare(binding, references, kai))
    status = _status(binding, compared, now)
    changed = merge_patch(binding.status, status)
    return BindingPlan(
        delete, create, {"status": changed} if changed else None, _event(binding, status)
    )


def _references(binding: Child) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = binding.body.get("spec", {}).get("schedulerTopologyBindings")
    return found or []


def _keys(binding: Child) -> list[str]:
    return [level["key"] for level in binding.body.get("spec", {}).get("levels") or ()]


def _labels(topology: Child) -> list[str]:
    return [level.get("nodeLabel") for level in topology.body.get("spec", {}).get("levels") or ()]


def _keep(
    binding: Child, topologies: Mapping[str, Child]
) -> tuple[Child | None, dict[str, Any] | None]:
    """Levels cannot be changed, so a Topology with others is made anew."""
    existing = topologies.get(binding.meta.name)
    if existing is None:
        return None, _build(binding)
    if existing.meta.owner_uid != binding.meta.uid or _labels(existing) == _keys(binding):
        return None, None
    return existing, _build(binding)


def _build(binding: Child) -> dict[str, Any]:
    meta = binding.meta
    owner = owner_reference(labels.GROVE_API, str(Kind.TOPOLOGY_BINDING), meta.name, meta.uid)
    return {
        "apiVersion": KAI_API,
        "kind": "Topology",
        "metadata": {"name": meta.name, "ownerReferences": [owner]},
        "spec": {"levels": [{"nodeLabel": key} for key in _keys(binding)]},
    }


def _compare(binding: Child, references: Mapping[str, str], kai: KaiFacts) -> Iterator[_Compared]:
    if kai.enabled:
        if KAI in references:
            yield _drift(binding, references[KAI], kai)
        elif kai.served:  # else KAI is not installed
            yield _own(binding, kai)
    for scheduler, name in references.items():
        if scheduler != KAI or not kai.enabled:
            text = f"scheduler {scheduler} is not enabled, or has no topology"
            yield _Compared(_entry(scheduler, name, text), found=False)


def _entry(scheduler: str, name: str, problem: str) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "schedulerName": scheduler,
        "topologyReference": name,
        "inSync": not problem,
    }
    return entry | {"message": problem} if problem else entry


def _own(binding: Child, kai: KaiFacts) -> _Compared:
    name = binding.meta.name
    existing = (kai.topologies or {}).get(name)
    problem = kai.error
    if existing is None:
        problem = problem or f"Topology {name} is not made yet"
    elif existing.meta.owner_uid != binding.meta.uid:
        problem = f"a Topology {name} exists that is not of this ClusterTopologyBinding; delete it "
        problem += "or name it in schedulerTopologyBindings"
    elif _labels(existing) != _keys(binding):
        problem = problem or _differs(existing, binding)
    return _Compared(_entry(KAI, name, problem), failed=bool(problem))


def _drift(binding: Child, name: str, kai: KaiFacts) -> _Compared:
    existing = (kai.topologies or {}).get(name)
    problem = ""
    if not kai.served:
        problem = _NOT_SERVED
    elif existing is None:
        problem = f"Topology {name} does not exist"
    elif _labels(existing) != _keys(binding):
        problem = _differs(existing, binding)
    generation = existing.meta.generation if existing is not None else 0
    entry = _entry(KAI, name, problem)
    entry["schedulerBackendTopologyObservedGeneration"] = generation
    return _Compared(entry, found=kai.served)


def _differs(topology: Child, binding: Child) -> str:
    has, wants = ", ".join(map(str, _labels(topology))), ", ".join(_keys(binding))
    return f"Topology {topology.meta.name} has the levels [{has}], should have [{wants}]"


def _status(binding: Child, compared: list[_Compared], now: str) -> dict[str, Any]:
    old = binding.status
    drift = _condition(compared)
    if drift is not None:
        drift |= {"observedGeneration": binding.meta.generation}
    status: dict[str, Any] = {
        **old,
        "conditions": c.merge(
            old.get("conditions") or (),
            [drift] if drift is not None else [],
            now=now,
            owned=frozenset({c.SCHEDULER_TOPOLOGY_DRIFT}),
        ),
        "schedulerTopologyStatuses": sorted(
            (item.body for item in compared), key=lambda body: str(body["schedulerName"])
        ),
    }
    if not any(item.failed for item in compared):
        status["observedGeneration"] = binding.meta.generation
    for field in ("conditions", "schedulerTopologyStatuses"):
        if not status[field]:
            del status[field]
    return status


def _condition(compared: list[_Compared]) -> c.Condition | None:
    if not compared:
        return None
    status: bool | None = False
    reason, message = "InSync", "the topology objects of all schedulers have these levels"
    problems = [
        f"{item.body['schedulerName']}: {item.body['message']}"
        for item in compared
        if not item.body["inSync"]
    ]
    if problems:
        status, reason, message = True, "Drift", "; ".join(problems)
    if not all(item.found for item in compared):
        status, reason = None, "TopologyNotFound"
    return c.condition(c.SCHEDULER_TOPOLOGY_DRIFT, status=status, reason=reason, message=message)


def _event(binding: Child, status: Mapping[str, Any]) -> Event | None:
    """Told when the condition's status changes, to True or to False."""
    before = c.find(binding.status.get("conditions") or (), c.SCHEDULER_TOPOLOGY_DRIFT)
    after = c.find(status.get("conditions") or (), c.SCHEDULER_TOPOLOGY_DRIFT)
    if after is None or after["status"] == (before or {}).get("status"):
        return None
    if after["status"] == "Unknown":
        return None
    drifts = after["status"] == "True"
    meta = binding.meta
    reason = DRIFT_DETECTED if drifts else IN_SYNC
    message = str(after["message"])
    return Event(Kind.TOPOLOGY_BINDING, meta.name, meta.uid, reason, message, warning=drifts)
