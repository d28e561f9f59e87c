"""The list of rights: narrow, and closed under what is handed on."""

import pytest

from grove_operator.api.rights import (
    CERTIFICATE,
    RIGHTS,
    Condition,
    Holder,
    Right,
    Scope,
    rights_of,
)
from grove_operator.api.schema_kinds import KINDS
from grove_operator.webhook.injection import configurations

VERBS = {"get", "list", "watch", "create", "update", "patch", "delete"}
READING = {"get", "list", "watch", "update", "patch"}
"""Whoever changes an object is shown it."""


def _uses(*rights: Right) -> set[tuple[str, str, str]]:
    return {use for right in rights for use in right.uses()}


@pytest.mark.parametrize("right", RIGHTS, ids=lambda r: f"{r.holder} {'+'.join(r.resources)}")
def test_nothing_is_a_wildcard(right: Right) -> None:
    assert set(right.verbs) <= VERBS
    assert "*" not in {right.group, *right.resources, *right.names}
    assert right.why
    assert "\n" not in right.why


def test_nobody_reads_secrets_but_the_webhook_its_own() -> None:
    reading = [r for r in RIGHTS if "secrets" in r.resources and READING & set(r.verbs)]
    found = [(right.holder, right.scope, right.names) for right in reading]
    assert found == [(Holder.WEBHOOK, Scope.OWN_NAMESPACE, (CERTIFICATE,))]


def test_a_creation_is_never_limited_to_names() -> None:
    """RBAC would not allow any: a POST does not name what it makes. Server-side apply does."""
    named = [right for right in RIGHTS if right.names and "create" in right.verbs]
    assert {right.holder for right in named} == {Holder.INSTALLER}
    assert all("patch" in right.verbs for right in named)


def test_the_operator_has_what_it_hands_on_to_the_waiter() -> None:
    """Kubernetes refuses to let anybody make a role that allows more than he may himself."""
    handed_on = _uses(*rights_of(Holder.WAITER, Scope.OWN_NAMESPACE))
    assert handed_on <= _uses(*rights_of(Holder.OPERATOR, Scope.CLUSTER))


def test_no_right_is_listed_twice() -> None:
    seen: set[tuple[object, ...]] = set()
    for right in RIGHTS:
        uses = {(right.holder, right.scope, right.names, *use) for use in right.uses()}
        assert not uses & seen, right
        seen |= uses


def test_conditional_rights_are_had_only_on_condition() -> None:
    without = rights_of(Holder.WEBHOOK, Scope.CLUSTER)
    assert {right.condition for right in without} == {Condition.ALWAYS}
    more = rights_of(Holder.WEBHOOK, Scope.CLUSTER, [Condition.AUTHORIZER])
    added = _uses(*more) - _uses(*without)
    assert added == {("get", "grove.io", "podcliquesets")}


def test_the_webhook_may_follow_every_configuration_that_it_completes() -> None:
    """It waits until it has heard of all of them, so none may depend on a condition."""
    always = rights_of(Holder.WEBHOOK, Scope.CLUSTER)
    named = {name for right in always for name in right.names}
    assert named == set(configurations())


def test_the_installer_may_apply_exactly_the_definitions_that_there_are() -> None:
    [right] = rights_of(Holder.INSTALLER, Scope.CLUSTER)
    assert set(right.names) == {f"{kind.plural}.{kind.group}" for kind in KINDS}
