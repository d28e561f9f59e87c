"""Short manifests for the tests of admission, and what admission says of them."""

from typing import Any

from grove_operator.admission.defaulting import default_podcliqueset
from grove_operator.admission.submission import Submission
from grove_operator.admission.validation import validate_podcliqueset
from grove_operator.api.parsing import parse_podcliqueset

Body = dict[str, Any]

CLIQUES = "spec.template.cliques"
GROUPS = "spec.template.podCliqueScalingGroups"
NAME_WORDS = (
    "must consist of lower case letters, digits and dashes, and start and end with a letter or "
    "digit, as it becomes part of hostnames"
)
EXPLICIT: Body = {"cliqueStartupType": "CliqueStartupTypeExplicit"}


def clique(name: str = "a", replicas: int = 2, **spec: Any) -> Body:
    return {"name": name, "spec": {"roleName": name, "replicas": replicas, **pods(), **spec}}


def pods(**pod_spec: Any) -> Body:
    containers = [{"name": "app", "image": "registry.example/app:1"}]
    return {"podSpec": {"containers": containers, **pod_spec}}


def group(name: str = "g", *members: str, **fields: Any) -> Body:
    return {"name": name, "cliqueNames": list(members), **fields}


def a_set(*cliques: Body, name: str = "tide", replicas: int = 1, **template: Any) -> Body:
    return {
        "metadata": {"name": name},
        "spec": {"replicas": replicas, "template": {"cliques": list(cliques), **template}},
    }


def grouped(*groups: Body, cliques: str = "a b c", name: str = "tide", **template: Any) -> Body:
    made = [clique(member) for member in cliques.split()]
    return a_set(*made, name=name, podCliqueScalingGroups=list(groups), **template)


def scale(upper: int, lower: int | None = None) -> Body:
    return {"maxReplicas": upper, **({} if lower is None else {"minReplicas": lower})}


def scaled(upper: int, lower: int | None = None, **spec: Any) -> Body:
    return clique(autoScalingConfig=scale(upper, lower), **spec)


def submission(body: Body, old: Body | None = None) -> Submission:
    """As the webhooks have it: both defaulted."""
    before = None if old is None else parse_podcliqueset(default_podcliqueset(old))
    return Submission(parse_podcliqueset(default_podcliqueset(body)), before)


def errors(body: Body, old: Body | None = None) -> list[str]:
    return [str(error) for error in validate_podcliqueset(submission(body, old)).errors]


def warnings(body: Body, old: Body | None = None) -> list[str]:
    return list(validate_podcliqueset(submission(body, old)).warnings)
