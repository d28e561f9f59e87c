"""What lets the startup waiter of a set's pods read those pods: account, role, binding, token.

What the waiter may do stands in `api/rights.py`.
"""

from collections.abc import Iterator
from typing import Any

from grove_operator.api import labels, names
from grove_operator.api.rights import Holder, Scope, rights_of
from grove_operator.desired.blueprint import SetBlueprint, child_metadata

_RBAC = "rbac.authorization.k8s.io"


def build_access(blueprint: SetBlueprint) -> Iterator[dict[str, Any]]:
    """Account, role and binding, each before what refers to it."""
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
        "rules": [right.rule() for right in rights_of(Holder.WAITER, Scope.OWN_NAMESPACE)],
    }
    yield {
        "apiVersion": f"{_RBAC}/v1",
        "kind": "RoleBinding",
        "metadata": child_metadata(blueprint, role, labels.COMPONENT_ROLE_BINDING),
        "roleRef": {"apiGroup": _RBAC, "kind": "Role", "name": role},
        "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": blueprint.namespace}],
    }


def build_token(blueprint: SetBlueprint) -> dict[str, Any]:
    """Make the Secret that Kubernetes fills with a token of the account.

    The account must be there first: Kubernetes deletes a token of an account that does not exist.
    """
    name = names.token_secret_name(blueprint.name)
    metadata = child_metadata(blueprint, name, labels.COMPONENT_TOKEN_SECRET)
    account = names.service_account_name(blueprint.name)
    metadata["annotations"] = {"kubernetes.io/service-account.name": account}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": metadata,
        "type": "kubernetes.io/service-account-token",
    }
