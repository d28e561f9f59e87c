"""Everything that the parts of the operator may do in a cluster: the one list.

RBAC is printed from it, the startup waiter's Role is made from it, and the tests run under it. A
right that is not here is not had. Refuses to know who asks for what when: that is the code's, and
the integration tests compare.

Not listed is what Kubernetes gives to everybody who is authenticated: API discovery.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final


class Holder(StrEnum):
    """Who has a right."""

    OPERATOR = "operator"
    WEBHOOK = "webhook"
    INSTALLER = "installer"
    """The init container of the operator that puts the CRDs into the cluster, with its account."""
    WAITER = "waiter"
    """The init container that waits for other PodCliques, with the account of its set."""


class Scope(StrEnum):
    """Where a right holds."""

    CLUSTER = "cluster"
    OWN_NAMESPACE = "own namespace"
    """For the waiter that of its set."""


class Condition(StrEnum):
    """When a right is needed."""

    ALWAYS = "always"
    AUTHORIZER = "authorizer"
    KAI = "kai-scheduler"
    VOLCANO = "volcano"


@dataclass(frozen=True, slots=True, kw_only=True)
class Right:
    """One line of the list, and one rule of a role.

    `names` limits it to objects of these names. `unused` says why no request ever shows that it
    is needed; it is empty for all others.
    """

    holder: Holder
    group: str
    resources: tuple[str, ...]
    verbs: tuple[str, ...]
    why: str
    scope: Scope = Scope.CLUSTER
    names: tuple[str, ...] = ()
    condition: Condition = Condition.ALWAYS
    unused: str = ""

    def rule(self) -> dict[str, Any]:
        """Give it as a rule of a Role or ClusterRole."""
        rule: dict[str, Any] = {
            "apiGroups": [self.group],
            "resources": list(self.resources),
            "verbs": list(self.verbs),
        }
        return rule | {"resourceNames": list(self.names)} if self.names else rule

    def uses(self) -> Iterator[tuple[str, str, str]]:
        """Every verb, group and resource that it allows."""
        for resource in self.resources:
            for verb in self.verbs:
                yield verb, self.group, resource


LEASE: Final = "grove-operator-leader-election"
CERTIFICATE: Final = "grove-webhook-server-cert"
"""A Secret. Both names can be changed by settings."""

_GROVE: Final = "grove.io"
_GANGS: Final = "scheduler.grove.io"
_DEFINED: Final = (
    (_GROVE, "podcliquesets"),
    (_GROVE, "podcliquescalinggroups"),
    (_GROVE, "podcliques"),
    (_GROVE, "clustertopologybindings"),
    (_GANGS, "podgangs"),
)
_ADMISSION: Final = "admissionregistration.k8s.io"

_READ: Final = ("get", "list", "watch")
_FOLLOW: Final = ("list", "watch")
_KEEP: Final = (*_READ, "create", "patch")
_MANAGE: Final = (*_KEEP, "delete")
_STATUS: Final = ("patch",)

_CHILDREN: Final = "what sets become: followed, made, mended, and removed when nothing asks for it"
_BLOCKING: Final = (
    "for owner references that block the owner's deletion, where the admission plugin "
    "OwnerReferencesPermissionEnforcement is on, as on OpenShift"
)
_NO_REQUEST: Final = "no request of its own: admission asks for it when a child is made"

_OPERATOR: Final = (
    Right(
        holder=Holder.OPERATOR,
        group=_GROVE,
        resources=("podcliquesets",),
        verbs=(*_FOLLOW, "patch"),
        why="the sets themselves: followed; patched only to put on and take off the finalizer",
    ),
    Right(
        holder=Holder.OPERATOR,
        group=_GROVE,
        resources=("clustertopologybindings",),
        verbs=_FOLLOW,
        why="names of topology levels",
    ),
    Right(
        holder=Holder.OPERATOR,
        group=_GROVE,
        resources=("clustertopologybindings/status",),
        verbs=_STATUS,
        why="tells whether the topology objects of schedulers have these levels",
    ),
    Right(
        holder=Holder.OPERATOR,
        group=_GROVE,
        resources=("clustertopologybindings/finalizers",),
        verbs=("update",),
        why=_BLOCKING,
        unused=_NO_REQUEST,
    ),
    Right(
        holder=Holder.OPERATOR,
        group="kai.scheduler",
        resources=("topologies",),
        verbs=(*_FOLLOW, "create", "delete"),
        why="the levels of a ClusterTopologyBinding as KAI reads them; they cannot be changed, "
        "so other levels mean another object",
    ),
    Right(
        holder=Holder.OPERATOR,
        group=_GROVE,
        resources=("podcliques", "podcliquescalinggroups"),
        verbs=_MANAGE,
        why=_CHILDREN,
    ),
    Right(
        holder=Holder.OPERATOR,
        group=_GROVE,
        resources=("podcliquesets/status", "podcliques/status", "podcliquescalinggroups/status"),
        verbs=_STATUS,
        why="tells what became of a set",
    ),
    Right(
        holder=Holder.OPERATOR,
        group=_GROVE,
        resources=(
            "podcliquesets/finalizers",
            "podcliques/finalizers",
            "podcliquescalinggroups/finalizers",
        ),
        verbs=("update",),
        why=_BLOCKING,
        unused=_NO_REQUEST,
    ),
    Right(
        holder=Holder.OPERATOR,
        group=_GANGS,
        resources=("podgangs",),
        verbs=_MANAGE,
        why=_CHILDREN,
    ),
    Right(
        holder=Holder.OPERATOR,
        group=_GANGS,
        resources=("podgangs/status",),
        verbs=_STATUS,
        why="tells what became of a gang",
    ),
    Right(
        holder=Holder.OPERATOR,
        group=_GANGS,
        resources=("podgangs/finalizers",),
        verbs=("update",),
        why=_BLOCKING,
        unused=_NO_REQUEST,
    ),
    Right(
        holder=Holder.OPERATOR,
        group="",
        resources=("pods", "services"),
        verbs=_MANAGE,
        why=_CHILDREN,
    ),
    Right(
        holder=Holder.OPERATOR,
        group="apps",
        resources=("controllerrevisions",),
        verbs=_MANAGE,
        why="the history of a set's templates, for going back",
    ),
    Right(
        holder=Holder.OPERATOR,
        group="autoscaling",
        resources=("horizontalpodautoscalers",),
        verbs=_MANAGE,
        why=_CHILDREN,
    ),
    Right(
        holder=Holder.OPERATOR,
        group="scheduling.k8s.io",
        resources=("workloads", "podgroups", "compositepodgroups"),
        verbs=_MANAGE,
        why="the same, as the stock scheduler reads gangs",
    ),
    Right(
        holder=Holder.OPERATOR,
        group="scheduling.run.ai",
        resources=("podgroups",),
        verbs=_KEEP,
        condition=Condition.KAI,
        why="the same, as KAI reads gangs; its PodGroups go with their PodGangs",
    ),
    Right(
        holder=Holder.OPERATOR,
        group="scheduling.volcano.sh",
        resources=("podgroups",),
        verbs=_KEEP,
        condition=Condition.VOLCANO,
        why="the same, as Volcano reads gangs",
    ),
    Right(
        holder=Holder.OPERATOR,
        group="apiextensions.k8s.io",
        resources=("customresourcedefinitions",),
        verbs=("get",),
        names=("podgroups.scheduling.volcano.sh",),
        condition=Condition.VOLCANO,
        why="whether Volcano is new enough: its PodGroups need the field subGroupPolicy",
    ),
    Right(
        holder=Holder.OPERATOR,
        group="monitoring.coreos.com",
        resources=("podmonitors",),
        verbs=_MANAGE,
        why="the PodMonitor of a set that asks for one, wherever that API is or comes to be served",
    ),
    Right(
        holder=Holder.OPERATOR,
        group="resource.k8s.io",
        resources=("resourceclaims",),
        verbs=_MANAGE,
        why="the claims that pods of a set share, and whether those that pod specs name are there",
    ),
    Right(
        holder=Holder.OPERATOR,
        group="resource.k8s.io",
        resources=("resourceclaimtemplates",),
        verbs=_FOLLOW,
        why="the templates that sets and pod specs name; followed once one is named",
    ),
    Right(
        holder=Holder.OPERATOR,
        group="resource.nvidia.com",
        resources=("computedomains",),
        verbs=_MANAGE,
        why="domains of multi-node NVLink, wherever that API is or comes to be served",
    ),
    Right(
        holder=Holder.OPERATOR,
        group="scheduling.k8s.io",
        resources=("priorityclasses",),
        verbs=_FOLLOW,
        why="a group that names a missing one would be refused",
    ),
    Right(
        holder=Holder.OPERATOR,
        group="",
        resources=("nodes",),
        verbs=_FOLLOW,
        why="which nodes are unreachable, and where there is room for a gang that waits",
    ),
    Right(
        holder=Holder.OPERATOR,
        group="",
        resources=("serviceaccounts",),
        verbs=_KEEP,
        why="the account of a set's startup waiter; it goes with the set, by garbage collection",
    ),
    Right(
        holder=Holder.OPERATOR,
        group="rbac.authorization.k8s.io",
        resources=("roles", "rolebindings"),
        verbs=_KEEP,
        why="what that account may do; nobody can hand on more than he has himself",
    ),
    Right(
        holder=Holder.OPERATOR,
        group="",
        resources=("pods/status",),
        verbs=_READ,
        why="handed on to the startup waiter, so it must be had",
        unused="only handed on",
    ),
    Right(
        holder=Holder.OPERATOR,
        group="",
        resources=("secrets",),
        verbs=("create",),
        why="the token of that account; no Secret is ever read, changed or deleted",
    ),
    Right(
        holder=Holder.OPERATOR,
        group="",
        resources=("events",),
        verbs=("create",),
        why="tells users what happened",
    ),
    Right(
        holder=Holder.OPERATOR,
        group="coordination.k8s.io",
        resources=("leases",),
        verbs=("create",),
        scope=Scope.OWN_NAMESPACE,
        why="the lease by which one replica leads; a creation cannot be limited to a name",
    ),
    Right(
        holder=Holder.OPERATOR,
        group="coordination.k8s.io",
        resources=("leases",),
        verbs=("get", "update"),
        scope=Scope.OWN_NAMESPACE,
        names=(LEASE,),
        why="takes, renews and gives back the lease",
    ),
)

_WEBHOOK: Final = (
    Right(
        holder=Holder.WEBHOOK,
        group=_GROVE,
        resources=("clustertopologybindings",),
        verbs=("get",),
        why="whether a set's topology exists and has its levels",
    ),
    Right(
        holder=Holder.WEBHOOK,
        group="",
        resources=("pods",),
        verbs=("create",),
        why="dry runs of pod templates, nothing else; RBAC cannot limit it to dry runs",
    ),
    Right(
        holder=Holder.WEBHOOK,
        group=_GROVE,
        resources=("podcliquesets",),
        verbs=("get",),
        condition=Condition.AUTHORIZER,
        why="whether the set of a protected object exists and lifts the protection",
    ),
    Right(
        holder=Holder.WEBHOOK,
        group="scheduling.volcano.sh",
        resources=("queues",),
        verbs=("get",),
        condition=Condition.VOLCANO,
        why="whether a set's queue exists and is open",
    ),
    Right(
        holder=Holder.WEBHOOK,
        group=_ADMISSION,
        resources=("mutatingwebhookconfigurations",),
        verbs=(*_FOLLOW, "update"),
        names=("podcliqueset-defaulting-webhook",),
        why="puts the certificate authority into its own configuration",
    ),
    Right(
        holder=Holder.WEBHOOK,
        group=_ADMISSION,
        resources=("validatingwebhookconfigurations",),
        verbs=(*_FOLLOW, "update"),
        names=(
            "podcliqueset-validating-webhook",
            "clustertopology-validating-webhook",
            "authorizer-webhook",
        ),
        why="puts the certificate authority into its own configurations, also one that comes later",
    ),
    Right(
        holder=Holder.WEBHOOK,
        group="",
        resources=("secrets",),
        verbs=("create",),
        scope=Scope.OWN_NAMESPACE,
        why="its certificate, if there is none; a creation cannot be limited to a name",
    ),
    Right(
        holder=Holder.WEBHOOK,
        group="",
        resources=("secrets",),
        verbs=(*_FOLLOW, "update"),
        scope=Scope.OWN_NAMESPACE,
        names=(CERTIFICATE,),
        why="its certificate, which all replicas share",
    ),
)

_INSTALLER: Final = (
    Right(
        holder=Holder.INSTALLER,
        group="apiextensions.k8s.io",
        resources=("customresourcedefinitions",),
        verbs=(*_FOLLOW, "create", "patch", "update"),
        names=tuple(f"{plural}.{group}" for group, plural in _DEFINED),
        why="its own CRDs, by server-side apply, which names what it creates; then until served",
    ),
)

_WAITER: Final = (
    Right(
        holder=Holder.WAITER,
        group="",
        resources=("pods", "pods/status"),
        verbs=_READ,
        scope=Scope.OWN_NAMESPACE,
        why="whether enough pods of the PodCliques that must start first are ready",
    ),
)

RIGHTS: Final[tuple[Right, ...]] = (*_OPERATOR, *_WEBHOOK, *_INSTALLER, *_WAITER)


def rights_of(
    holder: Holder, scope: Scope, conditions: Iterable[Condition] = ()
) -> tuple[Right, ...]:
    """Those that are always needed, and those needed when `conditions` hold."""
    wanted = {Condition.ALWAYS, *conditions}
    return tuple(
        right
        for right in RIGHTS
        if right.holder is holder and right.scope is scope and right.condition in wanted
    )
