"""`grove-operator rbac`: what the processes may do, as YAML for `kubectl apply`.

Made from `api/rights.py`, with the reason above each rule. Roles are separate for operator and
webhook, whoever holds them. By default one account holds all, for both are containers of one pod,
and a pod has one account; whoever runs them as two pods names a second account.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TextIO

import yaml

from grove_operator.api.rights import Condition, Holder, Right, Scope, rights_of

Body = dict[str, Any]

_GROUP: Final = "rbac.authorization.k8s.io"
_NAMES: Final = {
    (Holder.OPERATOR, Scope.CLUSTER): "grove:system:grove-operator",
    (Holder.OPERATOR, Scope.OWN_NAMESPACE): "grove:system:grove-operator-lease",
    (Holder.WEBHOOK, Scope.CLUSTER): "grove:system:grove-operator-webhook",
    (Holder.WEBHOOK, Scope.OWN_NAMESPACE): "grove:system:grove-operator-webhook",
}
"""The first two are Grove's."""


@dataclass(frozen=True, slots=True)
class Deployment:
    """Who runs where. `renamed` maps names of objects in the list of rights to other names."""

    namespace: str = "grove-system"
    operator_account: str = "grove-operator"
    webhook_account: str = "grove-operator"
    conditions: tuple[Condition, ...] = ()
    renamed: Mapping[str, str] = field(default_factory=dict)

    def account(self, holder: Holder) -> str:
        return self.webhook_account if holder is Holder.WEBHOOK else self.operator_account


def print_rbac(stream: TextIO, deployment: Deployment) -> None:
    """Every role and its binding, in a fixed order."""
    for role, rights in _roles(deployment):
        head = {key: value for key, value in role.items() if key != "rules"}
        stream.write(f"---\n{yaml.safe_dump(head, sort_keys=False)}rules:\n")
        for right, rule in zip(rights, role["rules"], strict=True):
            # Lists in one line each, and no line broken.
            text = yaml.safe_dump([rule], sort_keys=False, default_flow_style=None, width=10_000)
            stream.write(f"# {right.why}\n{text}")
        stream.write(f"---\n{yaml.safe_dump(_bind(role, deployment), sort_keys=False)}")


def _roles(deployment: Deployment) -> Iterator[tuple[Body, tuple[Right, ...]]]:
    for (holder, scope), name in _NAMES.items():
        rights = rights_of(holder, scope, deployment.conditions)
        cluster = scope is Scope.CLUSTER
        metadata = {"name": name} if cluster else {"name": name, "namespace": deployment.namespace}
        yield (
            {
                "apiVersion": f"{_GROUP}/v1",
                "kind": "ClusterRole" if cluster else "Role",
                "metadata": metadata,
                "rules": list(_rules(rights, deployment.renamed)),
            },
            rights,
        )


def _rules(rights: Iterable[Right], renamed: Mapping[str, str]) -> Iterator[Body]:
    for right in rights:
        rule = right.rule()
        if right.names:
            rule["resourceNames"] = [renamed.get(name, name) for name in right.names]
        yield rule


def _bind(role: Body, deployment: Deployment) -> Body:
    kind = role["kind"]
    holder = next(
        holder for (holder, _), name in _NAMES.items() if name == role["metadata"]["name"]
    )
    return {
        "apiVersion": role["apiVersion"],
        "kind": f"{kind}Binding",
        "metadata": dict(role["metadata"]),
        "roleRef": {"apiGroup": _GROUP, "kind": kind, "name": role["metadata"]["name"]},
        "subjects": [
            {
                "kind": "ServiceAccount",
                "name": deployment.account(holder),
                "namespace": deployment.namespace,
            }
        ],
    }
