"""Whether a node may take a pod at all, whatever room it has.

Node selectors, required node affinity by labels, taints, cordons and silent nodes. What is not
known here, such as affinity between pods, is taken for fulfilled: this explains, it places nothing.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from grove_operator.observed import Node, Taint

Terms = Sequence[Mapping[str, Any]]


def obstacle(pod_spec: Mapping[str, Any], node: Node) -> str:
    """What keeps the pod off this node, to be said of one or many; empty if nothing does."""
    if node.unreachable_since:
        return "unreachable"
    if not node.ready:
        return "not ready"
    if node.unschedulable:
        return "cordoned"
    return _unlabelled(pod_spec, node) or _tainted(pod_spec.get("tolerations") or (), node)


def _unlabelled(pod_spec: Mapping[str, Any], node: Node) -> str:
    for key, value in (pod_spec.get("nodeSelector") or {}).items():
        if node.labels.get(key) != value:
            return f"without the label {key}={value}"
    return "" if _has_affinity(pod_spec, node) else "outside the node affinity"


def _tainted(tolerations: Terms, node: Node) -> str:
    for taint in node.taints:
        if not any(_tolerates(toleration, taint) for toleration in tolerations):
            value = f"={taint.value}" if taint.value else ""
            return f"with the taint {taint.key}{value}"
    return ""


def _has_affinity(pod_spec: Mapping[str, Any], node: Node) -> bool:
    affinity = ((pod_spec.get("affinity") or {}).get("nodeAffinity")) or {}
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution") or {}
    terms = required.get("nodeSelectorTerms")
    return terms is None or any(_matches(term, node) for term in terms)


def _matches(term: Mapping[str, Any], node: Node) -> bool:
    labels, fields = term.get("matchExpressions") or (), term.get("matchFields") or ()
    named = {"metadata.name": node.name}
    return bool(labels or fields) and (
        all(_holds(item, node.labels) for item in labels)
        and all(_holds(item, named) for item in fields)
    )


def _holds(requirement: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    value = labels.get(str(requirement.get("key")))
    operator = _OPERATORS.get(str(requirement.get("operator")))
    return operator is None or operator(value, requirement.get("values") or ())


def _compared(value: str | None, values: Sequence[str], sign: int) -> bool:
    try:
        return value is not None and (int(value) - int(values[0])) * sign > 0
    except (ValueError, IndexError):
        return False


_OPERATORS: Final[Mapping[str, Callable[[str | None, Sequence[str]], bool]]] = {
    "In": lambda value, values: value in values,
    "NotIn": lambda value, values: value not in values,
    "Exists": lambda value, _: value is not None,
    "DoesNotExist": lambda value, _: value is None,
    "Gt": lambda value, values: _compared(value, values, 1),
    "Lt": lambda value, values: _compared(value, values, -1),
}


def _tolerates(toleration: Mapping[str, Any], taint: Taint) -> bool:
    if toleration.get("effect") not in (None, "", taint.effect):
        return False
    key, exists = toleration.get("key"), toleration.get("operator") == "Exists"
    if not key:
        return exists
    return key == taint.key and (exists or (toleration.get("value") or "") == taint.value)


def tally_obstacles(obstacles: Iterable[str], limit: int = 3) -> str:
    """Say how many nodes each obstacle stands for, the commonest first."""
    counts: dict[str, int] = {}
    for item in obstacles:
        counts[item] = counts.get(item, 0) + 1
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    shown = [f"{number} {text}" for text, number in ranked[:limit]]
    rest = sum(number for _, number in ranked[limit:])
    return ", ".join([*shown, f"{rest} for other reasons"] if rest else shown)
