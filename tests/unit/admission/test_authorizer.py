"""Who may touch what the operator has made, asked in the order of the rules."""

import pytest

from grove_operator.admission.authorizer import (
    Attempt,
    Decision,
    Parent,
    Trust,
    decide,
    parent_of,
)
from grove_operator.api.labels import UNPROTECTED

OPERATOR = "system:serviceaccount:grove:grove-operator"
COLLECTOR = "system:serviceaccount:kube-system:generic-garbage-collector"
TRUST = Trust(OPERATOR, frozenset({COLLECTOR}))
PART = {"app.kubernetes.io/part-of": "tide"}
FOUND, GONE = Parent({}), Parent()
ALLOWED = Decision(allowed=True)


def attempt(
    operation: str = "UPDATE",
    resource: str = "services",
    user: str = "ana",
    labels: dict[str, str] | None = None,
    group: str = "",
) -> Attempt:
    return Attempt(
        operation, user, group, resource, "sea", "tide-0", PART if labels is None else labels
    )


def refused(words: str) -> Decision:
    message = f"admission denied, {words} of resource: sea/tide-0 is not allowed"
    return Decision(allowed=False, message=message, code=403)


WRITTEN, DELETED = refused("creation/updation"), refused("deletion")
STRANGERS: dict[str, tuple[Attempt, Decision]] = {
    "an update": (attempt(), WRITTEN),
    "a creation": (attempt("CREATE", "podcliques", group="grove.io"), WRITTEN),
    "a deletion": (attempt("DELETE"), DELETED),
    "an update of a pod": (attempt("UPDATE", "pods"), WRITTEN),
    "a deletion of a gang": (
        attempt("DELETE", "podgangs", group="scheduler.grove.io"),
        DELETED,
    ),
    "a deletion of other pods": (attempt("DELETE", "pods", group="metrics.example"), DELETED),
    "an operation that nobody knows": (attempt("PATCH"), refused("PATCH")),
    "a name that only looks like the operator's": (attempt(user=f"{OPERATOR}-2"), WRITTEN),
    "nobody": (attempt(user=""), WRITTEN),
}


@pytest.mark.parametrize(("tried", "expected"), STRANGERS.values(), ids=STRANGERS)
def test_strangers_are_refused(tried: Attempt, expected: Decision) -> None:
    assert parent_of(tried, TRUST) == "tide"
    assert decide(tried, TRUST, FOUND) == expected


UNASKED: dict[str, tuple[Attempt, Decision]] = {
    "a connection": (attempt("CONNECT"), ALLOWED),
    "a deletion of a pod": (attempt("DELETE", "pods"), ALLOWED),
    "the operator": (attempt(user=OPERATOR), ALLOWED),
    "the operator deletes": (attempt("DELETE", user=OPERATOR), ALLOWED),
    "an exempt account": (attempt("CREATE", "podcliques", COLLECTOR), ALLOWED),
    "no set is named": (
        attempt(labels={"app.kubernetes.io/managed-by": "grove-operator"}),
        Decision(allowed=True, warnings=("missing required label app.kubernetes.io/part-of",)),
    ),
}


@pytest.mark.parametrize(("tried", "expected"), UNASKED.values(), ids=UNASKED)
def test_some_attempts_need_no_look_at_the_set(tried: Attempt, expected: Decision) -> None:
    assert parent_of(tried, TRUST) == expected
    assert decide(tried, TRUST, Parent(problem="503 busy")) == expected


PARENTS: dict[str, tuple[Parent, Decision]] = {
    "found": (FOUND, WRITTEN),
    "not protected": (Parent({UNPROTECTED: "true"}), ALLOWED),
    "protected by another spelling": (Parent({UNPROTECTED: "True"}), WRITTEN),
    "protected on purpose": (Parent({UNPROTECTED: "false"}), WRITTEN),
    "gone": (
        GONE,
        Decision(allowed=True, warnings=("parent PodCliqueSet tide not found",)),
    ),
    "not known": (
        Parent(problem="503 busy"),
        Decision(allowed=False, message="503 busy", code=500),
    ),
}


@pytest.mark.parametrize(("parent", "expected"), PARENTS.values(), ids=PARENTS)
def test_the_set_decides(parent: Parent, expected: Decision) -> None:
    assert decide(attempt(), TRUST, parent) == expected


def test_without_exemptions_only_the_operator_passes() -> None:
    strict = Trust(OPERATOR)
    assert decide(attempt(user=COLLECTOR), strict, FOUND) == WRITTEN
    assert decide(attempt(user=OPERATOR), strict, FOUND) == ALLOWED
