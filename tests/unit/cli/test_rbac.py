"""`grove-operator rbac`: roles, bindings and who gets them."""

from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from grove_operator.__main__ import app
from grove_operator.api.rights import Condition, Holder, Scope, rights_of

NAMES = [
    ("ClusterRole", "grove:system:grove-operator"),
    ("Role", "grove:system:grove-operator-lease"),
    ("ClusterRole", "grove:system:grove-operator-webhook"),
    ("Role", "grove:system:grove-operator-webhook"),
]


def printed(*arguments: str) -> list[dict[str, Any]]:
    done = CliRunner().invoke(app, ["rbac", *arguments])
    assert done.exit_code == 0, done.output
    return list(yaml.safe_load_all(done.stdout))


def subjects(bodies: list[dict[str, Any]]) -> list[tuple[str, str]]:
    found = [body["subjects"] for body in bodies if "subjects" in body]
    return [(subject["namespace"], subject["name"]) for [subject] in found]


@pytest.mark.parametrize(
    "arguments",
    [[], ["--with", "authorizer", "--with", "volcano"]],
    ids=["least", "with everything"],
)
def test_rules_are_those_of_the_list(arguments: list[str]) -> None:
    conditions = tuple(map(Condition, arguments[1::2]))
    rules = [body["rules"] for body in printed(*arguments) if "rules" in body]
    places = [
        (holder, scope)
        for holder in (Holder.OPERATOR, Holder.WEBHOOK)
        for scope in (Scope.CLUSTER, Scope.OWN_NAMESPACE)
    ]
    assert rules == [
        [right.rule() for right in rights_of(holder, scope, conditions)] for holder, scope in places
    ]


def test_each_role_has_its_binding() -> None:
    bodies = printed("--namespace", "lake")
    roles, bindings = bodies[::2], bodies[1::2]
    assert [(role["kind"], role["metadata"]["name"]) for role in roles] == NAMES
    for role, binding in zip(roles, bindings, strict=True):
        assert binding["kind"] == f"{role['kind']}Binding"
        assert binding["metadata"] == role["metadata"]
        assert binding["roleRef"]["kind"] == role["kind"]
        assert binding["roleRef"]["name"] == role["metadata"]["name"]
        own = role["kind"] == "Role"
        assert role["metadata"].get("namespace") == ("lake" if own else None)


def test_one_account_has_all_unless_the_webhook_has_its_own() -> None:
    assert subjects(printed()) == [("grove-system", "grove-operator")] * 4
    apart = printed("-n", "lake", "--service-account", "a", "--webhook-service-account", "b")
    assert subjects(apart) == [("lake", "a"), ("lake", "a"), ("lake", "b"), ("lake", "b")]


def test_names_that_settings_change_can_be_given() -> None:
    bodies = printed("--lease", "our-lease", "--certificate-secret", "our-secret")
    names = [name for body in bodies for rule in body.get("rules", ()) for name in _names(rule)]
    assert {"our-lease", "our-secret"} <= set(names)
    assert not {"grove-operator-leader-election", "grove-webhook-server-cert"} & set(names)


def _names(rule: dict[str, Any]) -> list[str]:
    found: list[str] = rule.get("resourceNames", [])
    return found
