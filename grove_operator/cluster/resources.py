"""Which API resources this operator touches, and the URL path of each.

Owns group, version, plural and kind of every resource. Refuses to know what the objects mean.
Used by everything in `cluster/` and by the composition root.
"""

from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

GROVE: Final = "grove.io"
GROVE_SCHEDULER: Final = "scheduler.grove.io"
SCHEDULING: Final = "scheduling.k8s.io"


@dataclass(frozen=True, slots=True)
class Resource:
    """One served resource. An empty `group` is the core API."""

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool = True

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(
        self,
        namespace: str | None = None,
        name: str | None = None,
        subresource: str | None = None,
    ) -> str:
        """Build the URL path; without `namespace` it spans all namespaces, as lists may."""
        root = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        if self.namespaced and namespace:
            root += f"/namespaces/{quote(namespace, safe='')}"
        if self.plural:  # without one it is the group's own page, which discovery reads
            root += f"/{self.plural}"
        if name is not None:
            # Role names may hold colons and slashes may not appear at all: escape everything.
            root += f"/{quote(name, safe='')}"
        if subresource:
            root += f"/{subresource}"
        return root


PODS: Final = Resource("", "v1", "pods", "Pod")
SERVICES: Final = Resource("", "v1", "services", "Service")
SERVICE_ACCOUNTS: Final = Resource("", "v1", "serviceaccounts", "ServiceAccount")
SECRETS: Final = Resource("", "v1", "secrets", "Secret")
EVENTS: Final = Resource("", "v1", "events", "Event")
NODES: Final = Resource("", "v1", "nodes", "Node", namespaced=False)
DEFINITIONS: Final = Resource(
    "apiextensions.k8s.io",
    "v1",
    "customresourcedefinitions",
    "CustomResourceDefinition",
    namespaced=False,
)
ROLES: Final = Resource("rbac.authorization.k8s.io", "v1", "roles", "Role")
ROLE_BINDINGS: Final = Resource("rbac.authorization.k8s.io", "v1", "rolebindings", "RoleBinding")
HPAS: Final = Resource("autoscaling", "v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler")
REVISIONS: Final = Resource("apps", "v1", "controllerrevisions", "ControllerRevision")
LEASES: Final = Resource("coordination.k8s.io", "v1", "leases", "Lease")
MUTATING_WEBHOOKS: Final = Resource(
    "admissionregistration.k8s.io",
    "v1",
    "mutatingwebhookconfigurations",
    "MutatingWebhookConfiguration",
    namespaced=False,
)
VALIDATING_WEBHOOKS: Final = Resource(
    "admissionregistration.k8s.io",
    "v1",
    "validatingwebhookconfigurations",
    "ValidatingWebhookConfiguration",
    namespaced=False,
)

POD_MONITORS: Final = Resource("monitoring.coreos.com", "v1", "podmonitors", "PodMonitor")

RESOURCE_CLAIMS: Final = Resource("resource.k8s.io", "v1", "resourceclaims", "ResourceClaim")
OLDER_CLAIMS: Final = tuple(
    Resource("resource.k8s.io", version, "resourceclaims", "ResourceClaim")
    for version in ("v1beta2", "v1beta1", "v1alpha3")
)
"""Not read or written; pods may use them."""
RESOURCE_CLAIM_TEMPLATES: Final = Resource(
    "resource.k8s.io", "v1", "resourceclaimtemplates", "ResourceClaimTemplate"
)
COMPUTE_DOMAINS: Final = Resource(
    "resource.nvidia.com", "v1beta1", "computedomains", "ComputeDomain"
)

POD_CLIQUE_SETS: Final = Resource(GROVE, "v1alpha1", "podcliquesets", "PodCliqueSet")
SCALING_GROUPS: Final = Resource(
    GROVE, "v1alpha1", "podcliquescalinggroups", "PodCliqueScalingGroup"
)
POD_CLIQUES: Final = Resource(GROVE, "v1alpha1", "podcliques", "PodClique")
TOPOLOGY_BINDINGS: Final = Resource(
    GROVE, "v1alpha1", "clustertopologybindings", "ClusterTopologyBinding", namespaced=False
)
POD_GANGS: Final = Resource(GROVE_SCHEDULER, "v1alpha1", "podgangs", "PodGang")

WORKLOADS: Final = Resource(SCHEDULING, "v1beta1", "workloads", "Workload")
POD_GROUPS: Final = Resource(SCHEDULING, "v1beta1", "podgroups", "PodGroup")
KAI_POD_GROUPS: Final = Resource("scheduling.run.ai", "v2alpha2", "podgroups", "PodGroup")
VOLCANO_POD_GROUPS: Final = Resource("scheduling.volcano.sh", "v1beta1", "podgroups", "PodGroup")
COMPOSITE_POD_GROUPS: Final = Resource(
    SCHEDULING, "v1alpha3", "compositepodgroups", "CompositePodGroup"
)
