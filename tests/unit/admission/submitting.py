"""Sets for the tables of rules about topology, schedulers, MNNVL and immutability."""

from typing import Any

from grove_operator.admission.submission import Facts, Found, Policy, Submission
from grove_operator.api.podcliqueset import PodCliqueSet

CLIQUES = "spec.template.cliques"
GROUPS = "spec.template.podCliqueScalingGroups"
LEVELS = ("zone", "rack", "host")


def clique(name: str = "a", pods: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    """`pods` goes into the podSpec; `spec_…` keywords go into the spec, all others beside it."""
    own = {key.removeprefix("spec_"): fields.pop(key) for key in list(fields) if key[:5] == "spec_"}
    containers = [{"name": "app", "image": "registry.example/app:1"}]
    spec = {"replicas": 2, "minAvailable": 1, "podSpec": {"containers": containers} | (pods or {})}
    return {"name": name, "spec": spec | own, **fields}


def group(name: str = "g", *members: str, **fields: Any) -> dict[str, Any]:
    return {"name": name, "cliqueNames": list(members), **fields}


def a_set(
    *cliques: dict[str, Any], metadata: dict[str, Any] | None = None, **template: Any
) -> PodCliqueSet:
    return PodCliqueSet.model_validate(
        {
            "metadata": {"name": "tide", "namespace": "sea"} | (metadata or {}),
            "spec": {"replicas": 1, "template": {"cliques": list(cliques), **template}},
        }
    )


def packed(required: str | None = None, preferred: str | None = None, name: str = "") -> Any:
    """A topology constraint."""
    pack = {"required": required, "preferred": preferred}
    return {"topologyName": name, "pack": pack}


def legacy(domain: str, name: str = "") -> Any:
    """One in the deprecated spelling."""
    return {"topologyName": name, "packDomain": domain}


def submit(
    new: PodCliqueSet,
    old: PodCliqueSet | None = None,
    found: Facts | None = None,
    **policy: Any,
) -> Submission:
    """By default topology is on, and the topology `dc` has three levels."""
    known = Facts(topologies={"dc": Found(LEVELS)})
    return Submission(new, old, Policy(**{"topology_enabled": True} | policy), found or known)
