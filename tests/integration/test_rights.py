"""The operator may do what it needs and nothing else. These tests run last and judge all others."""

import copy
import os
from collections.abc import Iterator

import pytest

from grove_operator.api.rights import Holder, Scope, rights_of
from tests.conftest import ControlPlane
from tests.support.controlplane import Kube
from tests.support.privileges import (
    CONDITIONS,
    USER,
    WEBHOOK_USER,
    Ledger,
    Use,
    operator_kubeconfig,
)

REVIEWS = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
WHOLE = "GROVE_TEST_EVERY_RIGHT"
FORBIDDEN = [
    ("get", "", "secrets"),
    ("list", "", "secrets"),
    ("watch", "", "secrets"),
    ("update", "", "secrets"),
    ("patch", "", "secrets"),
    ("delete", "", "secrets"),
    ("delete", "", "serviceaccounts"),
    ("delete", "grove.io", "podcliquesets"),
    ("update", "grove.io", "podcliquesets"),
    ("deletecollection", "", "pods"),
    ("create", "", "pods/exec"),
    ("escalate", "rbac.authorization.k8s.io", "roles"),
    ("bind", "rbac.authorization.k8s.io", "roles"),
    ("create", "rbac.authorization.k8s.io", "clusterrolebindings"),
    ("impersonate", "", "serviceaccounts"),
]


async def may(kube: Kube, verb: str, group: str, resource: str) -> bool:
    main, _, sub = resource.partition("/")
    asked = {"namespace": "default", "verb": verb, "group": group, "resource": main}
    spec = {"user": USER, "resourceAttributes": asked | {"subresource": sub}}
    body = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": spec | {"groups": ["system:serviceaccounts", "system:authenticated"]},
    }
    allowed: bool = (await kube.create(REVIEWS, body))["status"]["allowed"]
    return allowed


async def test_what_would_be_dangerous_is_not_had(kube: Kube, control_plane: ControlPlane) -> None:
    if control_plane.local is None:
        pytest.skip("the operator's account is made in local clusters only")
    operator_kubeconfig(control_plane.local)
    assert [use for use in FORBIDDEN if await may(kube, *use)] == []
    assert await may(kube, "create", "", "secrets"), "the review asks for the right account"


@pytest.fixture(scope="module")
def asked(control_plane: ControlPlane, ledger: Ledger) -> Ledger:
    if control_plane.local is None:
        pytest.skip("a cluster that was given from outside shows no audit log")
    # Those of other clusters are in it already.
    found = copy.deepcopy(ledger)
    found.read(control_plane.local.audit_log)
    if not any(found.used.values()):
        pytest.skip("neither operator nor webhook ran in this session")
    return found


def test_nothing_was_asked_for_that_is_not_granted(asked: Ledger) -> None:
    assert asked.forbidden == []


@pytest.mark.parametrize(
    ("holder", "user"), [(Holder.OPERATOR, USER), (Holder.WEBHOOK, WEBHOOK_USER)]
)
def test_everything_that_is_granted_is_used(
    asked: Ledger, left_out: str, request: pytest.FixtureRequest, holder: Holder, user: str
) -> None:
    """A right for which no request can show need says so in the list, and only such a right."""
    if not os.environ.get(WHOLE):
        pytest.skip(f"whether every right is used is judged only with {WHOLE}=1")
    if left_out:
        pytest.skip(f"whether every right is used is seen only by a whole run: {left_out}")
    if request.session.testsfailed:
        pytest.skip("whether every right is used is seen only when no test has failed")
    idle = {use for use in _granted(holder, marked=False) if use not in asked.used[user]}
    assert sorted(idle) == [], "granted and never used"
    busy = {use for use in _granted(holder, marked=True) if use in asked.used[user]}
    assert sorted(busy) == [], "used, although the list says that it never is"


def _granted(holder: Holder, *, marked: bool) -> Iterator[Use]:
    for scope in Scope:
        for right in rights_of(holder, scope, CONDITIONS):
            if bool(right.unused) is marked:
                yield from right.uses()
