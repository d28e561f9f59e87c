"""The CEL rules of our CRDs in Python: there is one function for each rule text.

Owns their meaning for an object that is created. Refuses to be a CEL interpreter: a rule that is
new in the models has to be added here, and a test compares the two.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from grove_operator.admission.fields import FieldError, forbidden, invalid, required

Object = dict[str, Any]


def rule_error(rule: Mapping[str, Any], value: Object, path: str) -> FieldError | None:
    """What the rule has against `value`, which stands at `path`."""
    if CEL_RULES[rule["rule"]](value):
        return None
    place = (path + rule.get("fieldPath", "")).removeprefix(".")
    message = rule["message"]
    match rule.get("reason"):
        case "FieldValueRequired":
            return required(place, message)
        case "FieldValueForbidden":
            return forbidden(place, message)
        case _:
            return invalid(place, value, message)


def _has_some_pack(constraint: Object) -> bool:
    return "pack" in constraint or "packDomain" in constraint


def _spelt_once(constraint: Object) -> bool:
    return not ("packDomain" in constraint and "required" in _object(constraint, "pack"))


def _has_some_domain(pack: Object) -> bool:
    return "required" in pack or "preferred" in pack


def _set_is_modern(pcs: Object) -> bool:
    return _is_modern(_template(pcs))


def _cliques_are_modern(pcs: Object) -> bool:
    return all(map(_is_modern, _objects(_template(pcs), "cliques")))


def _groups_are_modern(pcs: Object) -> bool:
    return all(map(_is_modern, _objects(_template(pcs), "podCliqueScalingGroups")))


def _is_modern(holder: Object) -> bool:
    return "packDomain" not in _object(holder, "topologyConstraint")


def _template(pcs: Object) -> Object:
    return _object(_object(pcs, "spec"), "template")


def _object(holder: Object, key: str) -> Object:
    """What is no object is not this rule's concern."""
    value = holder.get(key)
    return value if isinstance(value, dict) else {}


def _objects(holder: Object, key: str) -> list[Object]:
    value = holder.get(key)
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


CEL_RULES: Final[Mapping[str, Callable[[Object], bool]]] = {
    "has(self.pack) || has(self.packDomain)": _has_some_pack,
    "!(has(self.packDomain) && has(self.pack) && has(self.pack.required))": _spelt_once,
    "has(self.required) || has(self.preferred)": _has_some_domain,
    "oldSelf.hasValue() || !(has(self.spec.template.topologyConstraint) && "
    "has(self.spec.template.topologyConstraint.packDomain))": _set_is_modern,
    "oldSelf.hasValue() || self.spec.template.cliques.all(clique, "
    "!(has(clique.topologyConstraint) && has(clique.topologyConstraint.packDomain)))": (
        _cliques_are_modern
    ),
    "oldSelf.hasValue() || !has(self.spec.template.podCliqueScalingGroups) || "
    "self.spec.template.podCliqueScalingGroups.all(group, !(has(group.topologyConstraint) && "
    "has(group.topologyConstraint.packDomain)))": _groups_are_modern,
}
