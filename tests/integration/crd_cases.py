"""Bodies for the CRD tests, and which of them an API server takes.

Every case is a valid body and one edit; refused ones come with words of the answer.
"""

from collections.abc import Callable
from copy import deepcopy
from typing import Any

Body = dict[str, Any]
Edit = Callable[[Any], object]


def a_set() -> Any:
    pods = {"containers": [{"name": "app", "image": "registry.example/app:1"}]}
    clique = {"name": "a", "spec": {"roleName": "a", "replicas": 2, "podSpec": pods}}
    return {
        "apiVersion": "grove.io/v1alpha1",
        "kind": "PodCliqueSet",
        "metadata": {"name": "tide"},
        "spec": {"template": {"cliques": [clique]}},
    }


def a_clique() -> Any:
    spec = a_set()["spec"]["template"]["cliques"][0]["spec"]
    return {
        "apiVersion": "grove.io/v1alpha1",
        "kind": "PodClique",
        "metadata": {"name": "tide-0-a"},
        "spec": spec,
    }


def a_group() -> Any:
    return {
        "apiVersion": "grove.io/v1alpha1",
        "kind": "PodCliqueScalingGroup",
        "metadata": {"name": "tide-0-g"},
        "spec": {"cliqueNames": ["a"]},
    }


def a_gang() -> Any:
    return {
        "apiVersion": "scheduler.grove.io/v1alpha1",
        "kind": "PodGang",
        "metadata": {"name": "tide-0"},
        "spec": {"podgroups": [{"name": "tide-0-a", "podReferences": [], "minReplicas": 1}]},
    }


def a_binding(name: str = "hall") -> Any:
    return {
        "apiVersion": "grove.io/v1alpha1",
        "kind": "ClusterTopologyBinding",
        "metadata": {"name": name},
        "spec": {
            "levels": [
                {"domain": "zone", "key": "topology.kubernetes.io/zone"},
                {"domain": "host", "key": "kubernetes.io/hostname"},
            ]
        },
    }


def edited(body: Any, edit: Edit) -> Body:
    copy: Body = deepcopy(body)
    edit(copy)
    return copy


def template(**fields: Any) -> Edit:
    return lambda body: body["spec"]["template"].update(fields)


def clique(**fields: Any) -> Edit:
    return lambda body: body["spec"]["template"]["cliques"][0].update(fields)


def clique_spec(**fields: Any) -> Edit:
    return lambda body: body["spec"]["template"]["cliques"][0]["spec"].update(fields)


def group(**fields: Any) -> Edit:
    return template(podCliqueScalingGroups=[{"name": "g", "cliqueNames": ["a"], **fields}])


def container(**fields: Any) -> Edit:
    def edit(body: Any) -> None:
        pods = body["spec"]["template"]["cliques"][0]["spec"]["podSpec"]
        pods["containers"][0].update(fields)

    return edit


def spec(**fields: Any) -> Edit:
    return lambda body: body["spec"].update(fields)


def without(*path: str) -> Edit:
    def edit(body: Any) -> None:
        for name in path[:-1]:
            body = body[name]
        del body[path[-1]]

    return edit


PACK = {"topologyName": "hall", "pack": {"required": "rack"}}
OLD_PACK = {"topologyName": "hall", "packDomain": "rack"}
BOTH_PACKS = PACK | OLD_PACK
PORT = {"containerPort": 80}

ACCEPTED = {
    "a short set": (a_set(), clique()),
    "a required domain": (a_set(), template(topologyConstraint=PACK)),
    "a preferred domain alone": (a_set(), group(topologyConstraint={"pack": {"preferred": "r"}})),
    "a domain with a trailing dash": (
        a_set(),
        clique(topologyConstraint={"pack": {"required": "r-"}}),
    ),
    "null for what has a default": (a_set(), template(cliqueStartupType=None)),
    "null for what is optional": (
        a_set(),
        template(terminationDelay=None, topologyConstraint=None),
    ),
    "the other update strategy": (a_set(), spec(updateStrategy={"type": "OnDelete"})),
    "no containers at all": (a_set(), clique_spec(podSpec={"containers": []})),
    "one port for two protocols": (a_set(), container(ports=[PORT, PORT | {"protocol": "UDP"}])),
    "quantities as numbers and texts": (
        a_set(),
        container(resources={"limits": {"a": 1, "b": "1Gi"}}),
    ),
    "a newer field of pods": (
        a_set(),
        clique_spec(podSpec={"containers": [], "schedulingGroup": {"podGroupName": "x"}}),
    ),
    "a minimum above the replicas of a child": (a_clique(), spec(minAvailable=99)),
    "a child scaled to nothing": (a_clique(), spec(replicas=0)),
    "upper case in the prefix of a key": (
        a_binding(),
        spec(levels=[{"domain": "zone", "key": "Example.Org/zone"}]),
    ),
    "a gang without groups": (a_gang(), spec(podgroups=[])),
}


REFUSED = {
    "an unknown startup type": (
        a_set(),
        template(cliqueStartupType=""),
        'spec.template.cliqueStartupType: Unsupported value: "": supported values: ',
    ),
    "an unknown update strategy": (
        a_set(),
        spec(updateStrategy={"type": "Recreate"}),
        'spec.updateStrategy.type: Unsupported value: "Recreate"',
    ),
    "an unknown scope": (
        a_set(),
        clique(resourceSharing=[{"name": "x", "scope": "Some"}]),
        'spec.template.cliques[0].resourceSharing[0].scope: Unsupported value: "Some"',
    ),
    "fewer than no copies": (
        a_set(),
        spec(replicas=-1),
        ".spec.replicas: Invalid value: -1: should be a non-negative integer",
    ),
    "a count beyond 32 bits": (a_set(), clique_spec(replicas=2**31), "format int32"),
    "the old spelling for the set": (
        a_set(),
        template(topologyConstraint=OLD_PACK),
        "spec.template.topologyConstraint.packDomain: Forbidden: packDomain is deprecated",
    ),
    "the old spelling for a clique": (
        a_set(),
        clique(topologyConstraint=OLD_PACK),
        "spec.template.cliques: Forbidden: packDomain is deprecated",
    ),
    "the old spelling for a group": (
        a_set(),
        group(topologyConstraint=OLD_PACK),
        "spec.template.podCliqueScalingGroups: Forbidden: packDomain is deprecated",
    ),
    "no domain": (
        a_set(),
        clique(topologyConstraint={"topologyName": "hall"}),
        (
            "spec.template.cliques[0].topologyConstraint.pack: Required value: must specify pack "
            "or deprecated packDomain"
        ),
    ),
    "an empty pack": (
        a_set(),
        template(topologyConstraint={"pack": {}}),
        "spec.template.topologyConstraint.pack: Required value: pack must specify at least one",
    ),
    "both spellings": (
        a_set(),
        group(topologyConstraint=BOTH_PACKS),
        (
            "spec.template.podCliqueScalingGroups[0].topologyConstraint.pack.required: "
            "Invalid value: must not set both"
        ),
    ),
    "an empty domain": (
        a_set(),
        clique(topologyConstraint={"pack": {"required": ""}}),
        "should be at least 1 chars long",
    ),
    "a domain with a capital": (
        a_set(),
        clique(topologyConstraint={"pack": {"preferred": "Rack"}}),
        "should match '^[a-z][a-z0-9-]*$'",
    ),
    "two cliques of one name": (
        a_set(),
        lambda body: body["spec"]["template"].update(
            cliques=body["spec"]["template"]["cliques"] * 2
        ),
        'spec.template.cliques[1]: Duplicate value: {"name":"a"}',
    ),
    "two environment variables of one name": (
        a_set(),
        container(env=[{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]),
        'spec.template.cliques[0].spec.podSpec.containers[0].env[1]: Duplicate value: {"name":"A"}',
    ),
    "two ports of one number and the default protocol": (
        a_set(),
        container(ports=[PORT, PORT | {"protocol": "TCP"}]),
        'ports[1]: Duplicate value: {"containerPort":80,"protocol":"TCP"}',
    ),
    "a role that is missing": (
        a_clique(),
        without("spec", "roleName"),
        "spec.roleName: Required value",
    ),
    "pods that are missing": (
        a_clique(),
        without("spec", "podSpec"),
        "spec.podSpec: Required value",
    ),
    "a bad quantity": (
        a_clique(),
        lambda body: body["spec"]["podSpec"]["containers"][0].update(
            resources={"limits": {"cpu": "many"}}
        ),
        "spec.podSpec.containers[0].resources.limits.cpu: Invalid value",
    ),
    "a group without a list of members": (
        a_group(),
        without("spec", "cliqueNames"),
        "spec.cliqueNames: Required value",
    ),
    "a topology without levels": (a_binding(), spec(levels=[]), "should have at least 1 items"),
    "a topology level with a bad key": (
        a_binding(),
        spec(levels=[{"domain": "zone", "key": "a/b/c"}]),
        "spec.levels[0].key",
    ),
    "a topology level with a long key": (
        a_binding(),
        spec(levels=[{"domain": "zone", "key": "k" * 64}]),
        "spec.levels[0].key",
    ),
    "a gang without a list of groups": (
        a_gang(),
        without("spec", "podgroups"),
        "spec.podgroups: Required value",
    ),
}
