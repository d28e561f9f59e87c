"""How the API server is told of the webhooks: paths, rules and the configuration objects.

Owns the one list that the server's paths, Kopf's handlers, the chart and the local cluster come
from. Names and rules are those of the original, so that what excludes or patches them keeps
working. Refuses to write them: a chart, or `kubectl apply` of `grove-operator registration`, does.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from grove_operator.api import labels
from grove_operator.cluster.resources import (
    HPAS,
    POD_CLIQUE_SETS,
    POD_CLIQUES,
    POD_GANGS,
    PODS,
    ROLE_BINDINGS,
    ROLES,
    SCALING_GROUPS,
    SECRETS,
    SERVICE_ACCOUNTS,
    SERVICES,
    TOPOLOGY_BINDINGS,
    Resource,
)
from grove_operator.webhook.server import Webhook

Body = dict[str, Any]

_HPAS_V1: Final = Resource("autoscaling", "v1", HPAS.plural, HPAS.kind)
_CHANGES: Final = ("UPDATE", "DELETE")
_ALL: Final = ("CREATE", "UPDATE", "DELETE")
_TIMEOUT: Final = 10


@dataclass(frozen=True, slots=True)
class Registration:
    """One webhook. `rules` pairs operations with the kinds that they are reviewed for."""

    configuration: str
    name: str
    handler: str
    mutating: bool
    rules: tuple[tuple[tuple[str, ...], tuple[Resource, ...]], ...]
    managed_only: bool = False
    """Whether only objects of an operator's workloads are reviewed."""

    @property
    def path(self) -> str:
        return f"/webhooks/{self.handler}"

    @property
    def kinds(self) -> tuple[Resource, ...]:
        return tuple(kind for _, kinds in self.rules for kind in kinds)

    @property
    def endpoint(self) -> Webhook:
        reviews = frozenset((kind.group, kind.version, kind.plural) for kind in self.kinds)
        return Webhook(self.path, self.handler, reviews)


DEFAULT_SET: Final = Registration(
    "podcliqueset-defaulting-webhook",
    "pcs.defaulting.webhooks.grove.io",
    "default-podcliqueset",
    mutating=True,
    rules=((("CREATE", "UPDATE"), (POD_CLIQUE_SETS,)),),
)
VALIDATE_SET: Final = Registration(
    "podcliqueset-validating-webhook",
    "pcs.validating.webhooks.grove.io",
    "validate-podcliqueset",
    mutating=False,
    rules=((("CREATE", "UPDATE"), (POD_CLIQUE_SETS,)),),
)
VALIDATE_TOPOLOGY: Final = Registration(
    "clustertopology-validating-webhook",
    "clustertopology.validating.webhooks.grove.io",
    "validate-clustertopology",
    mutating=False,
    rules=((("CREATE", "UPDATE"), (TOPOLOGY_BINDINGS,)),),
)
AUTHORIZE: Final = Registration(
    "authorizer-webhook",
    "authorizer.webhooks.grove.io",
    "authorizer-webhook",
    mutating=False,
    rules=(
        (_CHANGES, (SECRETS, SERVICE_ACCOUNTS, SERVICES)),
        (("UPDATE",), (PODS,)),
        (_CHANGES, (ROLES, ROLE_BINDINGS)),
        (_CHANGES, (_HPAS_V1, HPAS)),
        (_ALL, (POD_CLIQUES, SCALING_GROUPS)),
        (_ALL, (POD_GANGS,)),
    ),
    managed_only=True,
)


def registrations(*, authorizer: bool) -> tuple[Registration, ...]:
    """All webhooks that are served; the authorizer only if it is switched on."""
    always = (DEFAULT_SET, VALIDATE_SET, VALIDATE_TOPOLOGY)
    return (*always, AUTHORIZE) if authorizer else always


def by_url(base: str) -> Callable[[str], Body]:
    """Reach the webhooks at `base`, for processes outside the cluster."""
    return lambda path: {"url": f"{base.rstrip('/')}{path}"}


def by_service(namespace: str, name: str, port: int) -> Callable[[str], Body]:
    """Reach the webhooks through a Service."""
    reference = {"namespace": namespace, "name": name, "port": port}
    return lambda path: {"service": {**reference, "path": path}}


def configurations(
    client: Callable[[str], Body],
    *,
    authorizer: bool = False,
    namespace_selector: Mapping[str, Any] | None = None,
) -> list[Body]:
    """The configuration objects. The CA is filled in by the webhook process or by cert-manager."""
    return [
        _configuration(registration, client(registration.path), dict(namespace_selector or {}))
        for registration in registrations(authorizer=authorizer)
    ]


def _configuration(registration: Registration, client: Body, namespaces: Body) -> Body:
    webhook: Body = {
        "name": registration.name,
        "admissionReviewVersions": ["v1"],
        "clientConfig": client,
        "failurePolicy": "Fail",
        "matchPolicy": "Exact",
        "namespaceSelector": namespaces,
        "rules": [
            rule for operations, kinds in registration.rules for rule in _rules(operations, kinds)
        ],
        "sideEffects": "None",
        "timeoutSeconds": _TIMEOUT,
    }
    if registration.managed_only:
        webhook["objectSelector"] = {"matchLabels": {labels.MANAGED_BY: labels.MANAGER}}
    kind = "Mutating" if registration.mutating else "Validating"
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": f"{kind}WebhookConfiguration",
        "metadata": {"name": registration.configuration},
        "webhooks": [webhook],
    }


def _rules(operations: tuple[str, ...], kinds: tuple[Resource, ...]) -> list[Body]:
    """One rule for each group, with all its versions and kinds."""
    groups = dict.fromkeys(kind.group for kind in kinds)
    rules = []
    for group in groups:
        members = [kind for kind in kinds if kind.group == group]
        rules.append(
            {
                "apiGroups": [group],
                "apiVersions": list(dict.fromkeys(kind.version for kind in members)),
                "operations": list(operations),
                "resources": list(dict.fromkeys(kind.plural for kind in members)),
                "scope": "Namespaced" if members[0].namespaced else "Cluster",
            }
        )
    return rules
