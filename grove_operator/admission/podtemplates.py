"""Would the API server take the pods? One pod for each different template, and what came back.

Owns the representative pod and the translation of the server's answer to the set's own fields.
Refuses to ask the server: the edge creates `Trial.pod` as a dry run. The server's words are kept;
only what it calls invalid is an error, for a quota or a policy may be another tomorrow.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
from typing_extensions import override

from grove_operator.admission.fields import Fault, FieldError, Verdict, verdict
from grove_operator.admission.submission import Policy, Submission
from grove_operator.api import labels, names
from grove_operator.api.podcliqueset import CliqueTemplate, PodCliqueSet

_CLIQUES: Final = "spec.template.cliques"
_BAD_REQUEST: Final = 400
_INVALID: Final = 422
_UNDECODABLE: Final = "cannot be handled as a Pod"
"""The server's words for a field of the wrong form, such as a quantity that is none."""
_UNANSWERED: Final = frozenset({0, 401, 408, 429})
"""Codes that say nothing of the pod, besides those of the server's own failures."""


@dataclass(frozen=True, slots=True)
class Trial:
    """A pod to try, for all cliques that have it. `cliques` are indices into the template."""

    cliques: tuple[int, ...]
    pod: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Answer:
    """What the server said. `code` is 0 if nothing; `causes` are pairs of a field and its text."""

    code: int
    message: str = ""
    causes: Sequence[tuple[str, str]] = field(default=())

    @property
    def accepted(self) -> bool:
        return 200 <= self.code < 300

    @property
    def concerns_fields(self) -> bool:
        """Policies may answer with the same code, but they know no fields."""
        return self.code == _INVALID and any(path for path, _ in self.causes)

    @property
    def is_unreadable(self) -> bool:
        """Whether the server could not even read the pod. It names no field then."""
        return self.code == _BAD_REQUEST and _UNDECODABLE in self.message

    @property
    def says_nothing(self) -> bool:
        return self.code in _UNANSWERED or self.code >= 500


@dataclass(frozen=True, slots=True)
class QuotedError(FieldError):
    """A field error in the API server's own words, all of which stand in `detail`."""

    @property
    @override
    def body(self) -> str:
        return self.detail


def trials(submission: Submission) -> list[Trial]:
    """What is worth trying: on update only pods that changed, and equal ones once."""
    pcs, old = submission.new, submission.old
    groups: dict[bytes, list[int]] = {}
    for index, clique in enumerate(pcs.spec.template.cliques):
        before = old.spec.template.clique(clique.name) if old is not None else None
        own = fingerprint(clique)
        if before is None or fingerprint(before) != own:
            groups.setdefault(own, []).append(index)
    return [
        Trial(tuple(indices), representative_pod(pcs, indices[0], submission.policy))
        for indices in groups.values()
    ]


def fingerprint(clique: CliqueTemplate) -> bytes:
    """Equal for cliques whose pods differ in nothing that the API server looks at."""
    content = [clique.spec.pod_spec, clique.labels, _annotations(clique)]
    return msgspec.json.encode(content, order="deterministic")


def representative_pod(pcs: PodCliqueSet, index: int, policy: Policy) -> dict[str, Any]:
    """The first pod of a clique, as the operator would create it but for the GROVE_ variables.

    Without these the positions in `env` are those that the user wrote. The gate keeps the pod from
    every scheduler, even if a server took the dry run for a real request; `nodeName` has to go, as
    the two exclude each other.
    """
    template, name = pcs.spec.template, pcs.metadata.name
    clique = template.cliques[index]
    group = template.group_of(clique.name)
    if group is None:
        full_name = names.clique_name(name, 0, clique.name)
    else:
        full_name = names.group_clique_name(names.group_name(name, 0, group.name), 0, clique.name)
    metadata: dict[str, Any] = {
        "generateName": f"{full_name}-",
        "namespace": pcs.metadata.namespace,
        "labels": clique.labels | labels.default_pair(name) | {labels.PODCLIQUE: full_name},
    }
    if annotations := _annotations(clique):
        metadata["annotations"] = annotations
    given = {key: value for key, value in clique.spec.pod_spec.items() if key != "nodeName"}
    spec = given | {
        "schedulerName": given.get("schedulerName") or policy.default_profile,
        "schedulingGates": [{"name": labels.GATE}],
        "hostname": names.hostname(full_name, 0),
        "subdomain": names.replica_name(name, 0),
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def _annotations(clique: CliqueTemplate) -> dict[str, str]:
    """Those that pods get."""
    given = clique.annotations.items()
    return {key: value for key, value in given if key != labels.TOPOLOGY_NAME}


def judge(pcs: PodCliqueSet, trial: Trial, answer: Answer) -> Verdict:
    """The server's answer, for each clique that has the pod."""
    if answer.accepted:
        return Verdict()
    if answer.concerns_fields:
        return verdict(error for index in trial.cliques for error in refusals(index, answer.causes))
    if answer.is_unreadable:
        return verdict(_unreadable(index, answer) for index in trial.cliques)
    cliques = pcs.spec.template.cliques
    return verdict((), (_warning(cliques[index].name, answer) for index in trial.cliques))


def refusals(index: int, causes: Sequence[tuple[str, str]]) -> Iterator[FieldError]:
    """What the server finds wrong with a pod of the clique, at the fields that the user wrote."""
    for path, words in causes:
        fault = next((fault for fault in Fault if words.startswith(fault)), Fault.INVALID)
        yield QuotedError(fault, _translated(index, path), words)


def _unreadable(index: int, answer: Answer) -> FieldError:
    words = f"{Fault.INVALID}: {answer.message}"
    return QuotedError(Fault.INVALID, f"{_CLIQUES}[{index}].spec.podSpec", words)


_PLACES: Final[Mapping[str, str]] = {
    "spec": "spec.podSpec",
    "metadata.labels": "labels",
    "metadata.annotations": "annotations",
}
"""Where in a clique the parts of a pod come from."""


def _translated(index: int, path: str) -> str:
    clique = f"{_CLIQUES}[{index}]"
    for part, place in _PLACES.items():
        rest = path.removeprefix(part)
        if rest != path and (not rest or rest[0] in ".["):
            return f"{clique}.{place}{rest}"
    return clique


def is_by_user(error: FieldError) -> bool:
    """Whether it is about something in the template, and not a name that we made of others."""
    _, inside, field = error.path.partition(".spec.podSpec")
    return bool(inside) and field not in {".hostname", ".subdomain"}


def _warning(clique: str, answer: Answer) -> str:
    happened = "could not be checked" if answer.says_nothing else "would be refused now"
    return f'pods of clique "{clique}" {happened}: {answer.message or "no reason was given"}'
