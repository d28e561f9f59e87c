"""What lets the startup waiter of a set's pods read those pods: account, role, binding, token."""

from collections.abc import Iterator
from typing import Any

from grove_operator.api import labels, names
from grove_operator.desired.blueprint import SetBlueprint, child_metadata

_RBAC = "rbac.authorization.k8s.io"


def build_access(blueprint: SetBlueprint) -> Iterator[dict[str, Any]]:
    """All four objects, each before what refers to it."""
    account = names.service_account_name(blueprint.name)
    role = names.role_name(blueprint.name)
    yield {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": child_metadata(blueprint, account, labels.COMPONENT_SERVICE_ACCOUNT),
        "automountServiceAccountToken": True,
    }
    yield {
        "apiVersion": f"{_RBAC}/v1",
        "kind": "Role",
        "metadata": child_metadata(blueprint, role, labels.COMPONENT_ROLE),
        "rules": [
            {
                "apiGroups": [""],
                "resources": ["pods", "pods/status"],
                "verbs": ["get", "list", "watch"],
            }
        ],
    }
    yield {
        "apiVersion": f"{_RBAC}/v1",
        "kind": "RoleBinding",
        "metadata": child_metadata(blueprint, role, labels.COMPONENT_ROLE_BINDING),
        "roleRef": {"apiGroup": _RBAC, "kind": "Role", "name": role},
        "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": blueprint.namespace}],
    }
    secret = names.token_secret_name(blueprint.name)
    metadata = child_metadata(blueprint, secret, labels.COMPONENT_TOKEN_SECRET)
    metadata["annotations"] = {"kubernetes.io/service-account.name": account}
    yield {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": metadata,
        "type": "kubernetes.io/service-account-token",
    }
