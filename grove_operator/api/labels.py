"""Every label, annotation, finalizer, gate and variable name that users and schedulers see.

The values are Grove's API; nothing here may change without breaking clients.
"""

from typing import Final

GROVE_GROUP: Final = "grove.io"
SCHEDULER_GROUP: Final = "scheduler.grove.io"
VERSION: Final = "v1alpha1"
GROVE_API: Final = f"{GROVE_GROUP}/{VERSION}"
SCHEDULER_API: Final = f"{SCHEDULER_GROUP}/{VERSION}"

MANAGED_BY: Final = "app.kubernetes.io/managed-by"
PART_OF: Final = "app.kubernetes.io/part-of"
NAME: Final = "app.kubernetes.io/name"
COMPONENT: Final = "app.kubernetes.io/component"
MANAGER: Final = "grove-operator"

COMPONENT_SERVICE: Final = "pcs-headless-service"
COMPONENT_ROLE: Final = "pod-role"
COMPONENT_ROLE_BINDING: Final = "pod-role-binding"
COMPONENT_SERVICE_ACCOUNT: Final = "pod-service-account"
COMPONENT_TOKEN_SECRET: Final = "pod-sa-token-secret"  # noqa: S105 - a label value, not a secret
COMPONENT_SCALING_GROUP: Final = "pcs-podcliquescalinggroup"
COMPONENT_POD_MONITOR: Final = "pcs-podmonitor"
COMPONENT_REVISION: Final = "pcs-revision"
COMPONENT_HPA: Final = "pcs-hpa"
COMPONENT_CLAIM: Final = "resource-claim"
COMPONENT_COMPUTE_DOMAIN: Final = "pcs-computedomain"
COMPONENT_PODGANG: Final = "podgang"
COMPONENT_CLIQUE: Final = "pcs-podclique"
COMPONENT_GROUP_CLIQUE: Final = "pcsg-podclique"

PODCLIQUE: Final = "grove.io/podclique"
PODGANG: Final = "grove.io/podgang"
BASE_PODGANG: Final = "grove.io/base-podgang"
REPLICA_INDEX: Final = "grove.io/podcliqueset-replica-index"
SCALING_GROUP: Final = "grove.io/podcliquescalinggroup"
GROUP_REPLICA_INDEX: Final = "grove.io/podcliquescalinggroup-replica-index"
POD_INDEX: Final = "grove.io/podclique-pod-index"
TEMPLATE_HASH: Final = "grove.io/pod-template-hash"
SCHEDULER_NAME: Final = "grove.io/scheduler-name"

TOPOLOGY_NAME: Final = "grove.io/topology-name"
SPREAD_REPLICAS: Final = "grove.io/spread-replicas"
"""On a PodCliqueSet: the topology domain, or node label, over which its replicas are kept apart."""
SPREAD_POLICY: Final = "grove.io/spread-replicas-policy"
"""`Required` (the default) or `Preferred`."""
MNNVL_GROUP: Final = "grove.io/mnnvl-group"
POD_MONITOR: Final = "grove.io/pod-monitor"
"""On a PodCliqueSet: "true" asks for a PodMonitor. The next three say more about it."""
POD_MONITOR_PORT: Final = "grove.io/pod-monitor-port"
POD_MONITOR_PATH: Final = "grove.io/pod-monitor-path"
POD_MONITOR_INTERVAL: Final = "grove.io/pod-monitor-interval"
INSTANCE_HASH: Final = "grove.io/instance-template-hash"
"""On pods of a scaling group: hash of all pod templates of the group replica they were made for."""
REPLACES: Final = "grove.io/replaces"
"""On a pod that an update made: name of the ready pod whose place it takes."""
UPDATE_ORDER: Final = "grove.io/update-order"
"""On a PodClique or scaling group that an update goes through: what goes in which order, as compact
JSON."""
TRIES: Final = "grove.io/replacement-tries"
"""On a pod that replaces one that had ended: how many tries there have been in a row."""
KEEP_UNREACHABLE: Final = "grove.io/keep-unreachable-pods"
"""On a PodCliqueSet: "true" leaves pods on silent nodes to whoever repairs the node."""
WAITS_FOR: Final = "grove.io/waits-for"
"""On a pod that starts after others: names of PodCliques and how many ready pods of each."""
REVISION_LIMIT: Final = "grove.io/revision-history-limit"
"""On a PodCliqueSet: how many old templates are kept as ControllerRevisions."""
UNPROTECTED: Final = "grove.io/disable-managed-resource-protection"
"""On a PodCliqueSet: exactly "true" lets everybody change its children."""
LAST_APPLIED: Final = "grove.io/last-applied"
"""On PodCliques and scaling groups: what we last took from the template, as compact JSON.

Holds `replicas`, and the label and annotation keys that came from the template, so that a count
that an autoscaler owns is never fought and a key that left the template is removed.
"""

SET_FINALIZER: Final = "grove.io/podcliqueset.grove.io"
CLIQUE_FINALIZER: Final = "grove.io/podclique.grove.io"
GROUP_FINALIZER: Final = "grove.io/podcliquescalinggroup.grove.io"
COMPUTE_DOMAIN_FINALIZER: Final = "grove.io/computedomain-finalizer"

GATE: Final = "grove.io/podgang-pending-creation"

ENV_SET_NAME: Final = "GROVE_PCS_NAME"
ENV_SET_INDEX: Final = "GROVE_PCS_INDEX"
ENV_CLIQUE_NAME: Final = "GROVE_PCLQ_NAME"
ENV_HEADLESS_SERVICE: Final = "GROVE_HEADLESS_SERVICE"
ENV_POD_INDEX: Final = "GROVE_PCLQ_POD_INDEX"
ENV_GROUP_NAME: Final = "GROVE_PCSG_NAME"
ENV_GROUP_PODS: Final = "GROVE_PCSG_TEMPLATE_NUM_PODS"
ENV_GROUP_INDEX: Final = "GROVE_PCSG_INDEX"

DEFAULT_SCHEDULER: Final = "default-scheduler"


def default_pair(set_name: str) -> dict[str, str]:
    """The two labels on everything that a PodCliqueSet owns, directly or not."""
    return {MANAGED_BY: MANAGER, PART_OF: set_name}


def selector(labels: dict[str, str]) -> str:
    """The text form of an equality selector, keys sorted, as scale subresources publish it."""
    return ",".join(f"{key}={labels[key]}" for key in sorted(labels))
