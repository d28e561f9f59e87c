"""What the chart becomes: rights, webhooks, CRDs and configuration are those of the code."""

import base64
import io
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from grove_operator.api import labels
from grove_operator.api.rights import CERTIFICATE, LEASE, Condition, Holder, Scope, rights_of
from grove_operator.cli.rbac import Deployment, print_rbac
from grove_operator.settings import Settings, load_settings
from grove_operator.webhook.registration import by_service, configurations, registrations
from tests.charts.helm import NAMESPACE, Helm, HelmError, configuration, one
from tests.charts.valuesets import GOOD, WRONG, Values
from tools.chart import CHART, differing

Body = dict[str, Any]
MONITORING = {"ServiceMonitor", "PrometheusRule"}
SWITCHED_ON: Values = {
    "config": {
        "authorizer": {"enabled": True},
        "scheduler": {
            "profiles": [
                {"name": "default-scheduler"},
                {"name": "kai-scheduler"},
                {"name": "volcano"},
            ]
        },
    }
}
WAITER = "GROVE_INIT_CONTAINER_IMAGE"
VERSION = yaml.safe_load((CHART / "Chart.yaml").read_text())["appVersion"]
DIGEST = "sha256:" + "1" * 64
ONLY_STOCK: Values = {"config": {"scheduler": {"profiles": [{"name": "default-scheduler"}]}}}


def test_generated_parts_are_up_to_date() -> None:
    assert differing() == [], "run `make chart`"


def test_a_changed_part_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "values.schema.json").write_text((CHART / "values.schema.json").read_text())
    (tmp_path / "crds").mkdir()
    (tmp_path / "crds" / "of-a-kind-that-is-no-more.yaml").touch()
    found = differing(tmp_path)
    assert "values.schema.json" not in found
    assert {"templates/rbac.yaml", "crds/of-a-kind-that-is-no-more.yaml"} <= set(found)


def test_helm_finds_nothing_to_mend(helm: Helm) -> None:
    said = helm.run("lint", str(CHART), "--strict")
    assert "1 chart(s) linted, 0 chart(s) failed" in said


@pytest.mark.parametrize("values", GOOD.values(), ids=list(GOOD))
def test_every_object_can_be_told_from_workloads(helm: Helm, values: Values) -> None:
    for body in helm.render(values):
        found = body["metadata"]["labels"]
        assert found["app.kubernetes.io/managed-by"] == "Helm", body["metadata"]["name"]
    template = one(helm.render(values), "Deployment")["spec"]["template"]
    assert labels.MANAGED_BY not in template["metadata"]["labels"]


@pytest.mark.parametrize("values", GOOD.values(), ids=list(GOOD))
def test_the_configuration_is_understood_whole(helm: Helm, values: Values, tmp_path: Path) -> None:
    bodies = helm.render(values)
    file = tmp_path / "config.yaml"
    file.write_text(yaml.safe_dump(configuration(bodies)))
    settings = load_settings(file, {})
    assert settings.unknown_keys == ()
    assert settings.leader_election.resource_namespace == NAMESPACE
    assert settings.server.webhooks.service_name == one(bodies, "Service")["metadata"]["name"]


def test_settings_are_what_the_values_say(helm: Helm, tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(yaml.safe_dump(configuration(helm.render(GOOD["other names and ports"]))))
    settings: Settings = load_settings(file, {})
    assert settings.leader_election.resource_name == "lake-lease"
    server = settings.server
    ports = (server.webhooks.port, server.health_probes.port, server.metrics.port)
    assert ports == (8443, 8081, 8082)


@pytest.mark.parametrize(("values", "told"), WRONG.values(), ids=list(WRONG))
def test_a_wrong_value_is_refused_by_name(helm: Helm, values: Values, told: str) -> None:
    with pytest.raises(HelmError, match=re.escape(told)) as refused:
        helm.render(values)
    assert "don't meet the specifications of the schema" in str(refused.value)


def test_a_change_of_configuration_is_a_rollout(helm: Helm) -> None:
    names = []
    for values in ({}, {"config": {"logLevel": "debug"}}, {}):
        bodies = helm.render(values)
        volumes = one(bodies, "Deployment")["spec"]["template"]["spec"]["volumes"]
        [name] = [item["configMap"]["name"] for item in volumes if "configMap" in item]
        body = one(bodies, "ConfigMap", name)
        assert body["immutable"] is True
        names.append(name)
    assert names[0] == names[2] != names[1]
    assert re.fullmatch(r"grove-operator-cm-[0-9a-f]{8}", names[0])


# --- rights ---------------------------------------------------------------------------------


def granted(bodies: list[Body]) -> list[Body]:
    """Rules of the roles that are bound, by holder."""
    kinds = ("ClusterRole", "Role")
    return [
        {key: body[key] for key in ("kind", "rules")} | {"name": body["metadata"]["name"]}
        for body in bodies
        if body["kind"] in kinds
    ]


@pytest.mark.parametrize(
    ("values", "conditions"),
    [
        ({}, (Condition.KAI,)),
        (ONLY_STOCK, ()),
        (SWITCHED_ON, (Condition.AUTHORIZER, Condition.KAI, Condition.VOLCANO)),
    ],
    ids=["by default", "with the stock scheduler alone", "with everything"],
)
def test_rights_are_those_of_the_one_list(
    helm: Helm, values: Values, conditions: tuple[Condition, ...]
) -> None:
    printed = io.StringIO()
    print_rbac(printed, Deployment(NAMESPACE, conditions=conditions))
    wanted = granted(list(yaml.safe_load_all(printed.getvalue())))
    wanted.append(
        {
            "kind": "ClusterRole",
            "name": "grove:system:grove-operator-crds",
            "rules": [right.rule() for right in rights_of(Holder.INSTALLER, Scope.CLUSTER)],
        }
    )
    found = granted(helm.render(values))
    assert sorted(found, key=str) == sorted(wanted, key=str)


def test_every_role_is_bound_to_the_account_of_the_pods(helm: Helm) -> None:
    bodies = helm.render({"serviceAccount": {"name": "runner"}})
    account = one(bodies, "ServiceAccount")["metadata"]["name"]
    template = one(bodies, "Deployment")["spec"]["template"]["spec"]
    assert account == template["serviceAccountName"] == "runner"
    subject = {"kind": "ServiceAccount", "name": "runner", "namespace": NAMESPACE}
    for kind in ("ClusterRole", "Role"):
        roles = {body["metadata"]["name"] for body in bodies if body["kind"] == kind}
        bindings = [body for body in bodies if body["kind"] == f"{kind}Binding"]
        assert {binding["roleRef"]["name"] for binding in bindings} == roles
        assert all(binding["subjects"] == [subject] for binding in bindings)


def test_rights_follow_names_that_values_change(helm: Helm) -> None:
    rules = [
        rule
        for role in granted(helm.render(GOOD["other names and ports"]))
        for rule in role["rules"]
    ]
    named = {name for rule in rules for name in rule.get("resourceNames", ())}
    assert {"lake-lease", "lake-cert"} <= named
    assert not {LEASE, CERTIFICATE} & named


def test_only_the_installer_touches_crds(helm: Helm) -> None:
    groups = [
        group
        for role in granted(helm.render({"crdInstaller": {"enabled": False}}))
        for rule in role["rules"]
        for group in rule["apiGroups"]
    ]
    assert "apiextensions.k8s.io" not in groups


# --- webhooks -------------------------------------------------------------------------------


@pytest.mark.parametrize("authorizer", [False, True], ids=["without authorizer", "with it"])
def test_webhooks_are_registered_as_the_code_does(helm: Helm, authorizer: bool) -> None:
    bodies = helm.render({"config": {"authorizer": {"enabled": authorizer}}})
    found = [body for body in bodies if body["kind"].endswith("WebhookConfiguration")]
    for body in found:
        body["metadata"] = {"name": body["metadata"]["name"]}
    service = one(bodies, "Service")
    port = next(item["port"] for item in service["spec"]["ports"] if item["name"] == "webhooks")
    client = by_service(NAMESPACE, service["metadata"]["name"], port)
    selector = {
        "matchExpressions": [
            {
                "key": "kubernetes.io/metadata.name",
                "operator": "NotIn",
                "values": ["kube-system", NAMESPACE],
            }
        ]
    }
    wanted = configurations(client, authorizer=authorizer, namespace_selector=selector)
    assert sorted(found, key=str) == sorted(wanted, key=str)


def test_webhook_paths_are_served(helm: Helm) -> None:
    served = {registration.endpoint.path for registration in registrations(authorizer=True)}
    bodies = helm.render({"config": {"authorizer": {"enabled": True}}})
    hooks = [hook for body in bodies for hook in body.get("webhooks", ())]
    assert {hook["clientConfig"]["service"]["path"] for hook in hooks} == served
    assert len(hooks) == 4


def test_further_namespaces_can_be_left_out(helm: Helm) -> None:
    bodies = helm.render({"webhooks": {"excludedNamespaces": ["ci", "kube-system"]}})
    hook = one(bodies, "MutatingWebhookConfiguration")["webhooks"][0]
    values = hook["namespaceSelector"]["matchExpressions"][0]["values"]
    assert values == ["kube-system", NAMESPACE, "ci"]


# --- certificates ---------------------------------------------------------------------------


def mounted(bodies: list[Body]) -> list[str]:
    template = one(bodies, "Deployment")["spec"]["template"]["spec"]
    return [v["secret"]["secretName"] for v in template["volumes"] if "secret" in v]


def test_by_default_certificates_are_the_webhooks_own_business(helm: Helm) -> None:
    bodies = helm.render()
    assert configuration(bodies)["server"]["webhooks"]["certProvisionMode"] == "auto"
    assert "Secret" not in {body["kind"] for body in bodies}
    assert mounted(bodies) == []


def test_manual_certificates_are_mounted_where_they_are_read(helm: Helm) -> None:
    bodies = helm.render(GOOD["certificates by hand"])
    webhooks = configuration(bodies)["server"]["webhooks"]
    assert mounted(bodies) == [webhooks["secretName"]]
    containers = one(bodies, "Deployment")["spec"]["template"]["spec"]["containers"]
    paths = {
        container["name"]: [mount["mountPath"] for mount in container["volumeMounts"]]
        for container in containers
    }
    assert webhooks["serverCertDir"] in paths["webhook"]
    assert webhooks["serverCertDir"] not in paths["grove-operator"]
    hook = one(bodies, "MutatingWebhookConfiguration")["webhooks"][0]
    assert base64.b64decode(hook["clientConfig"]["caBundle"]) == b"ca"


def test_cert_manager_fills_secret_and_bundles(helm: Helm) -> None:
    bodies = helm.render(GOOD["certificates by cert-manager"])
    webhooks = configuration(bodies)["server"]["webhooks"]
    assert webhooks["certProvisionMode"] == "manual"
    certificate = one(bodies, "Certificate", "grove-operator-webhook")
    assert certificate["spec"]["secretName"] == webhooks["secretName"]
    assert f"grove-operator.{NAMESPACE}.svc" in certificate["spec"]["dnsNames"]
    configured = [body for body in bodies if "webhooks" in body]
    for body in configured:
        source = body["metadata"]["annotations"]["cert-manager.io/inject-ca-from"]
        assert source == f"{NAMESPACE}/grove-operator-webhook"
    assert len(configured) == 3
    issuers = {body["metadata"]["name"] for body in bodies if body["kind"] == "Issuer"}
    assert certificate["spec"]["issuerRef"]["name"] in issuers


def test_an_issuer_that_is_there_is_used(helm: Helm) -> None:
    bodies = helm.render(GOOD["certificates by an issuer that is there"])
    assert "Issuer" not in {body["kind"] for body in bodies}
    issuer = one(bodies, "Certificate")["spec"]["issuerRef"]
    assert issuer == {"name": "company", "kind": "ClusterIssuer"}


# --- containers and the rest ----------------------------------------------------------------


def test_containers_listen_on_ports_of_their_own(helm: Helm) -> None:
    containers = one(helm.render(), "Deployment")["spec"]["template"]["spec"]["containers"]
    ports = [port for container in containers for port in container["ports"]]
    numbers = [port["containerPort"] for port in ports]
    assert sorted(numbers) == [9443, 9444, 9445, 9446, 9447]
    assert len({port["name"] for port in ports}) == len(ports)


def test_probes_can_be_left_out(helm: Helm) -> None:
    bodies = helm.render({"config": {"server": {"healthProbes": {"enable": False}}}})
    containers = one(bodies, "Deployment")["spec"]["template"]["spec"]["containers"]
    assert not [key for container in containers for key in container if "Probe" in key]
    assert configuration(bodies)["server"]["healthProbes"] == {"port": 9444}


def test_a_digest_stands_behind_an_at_sign(helm: Helm) -> None:
    template = one(helm.render(GOOD["private registry, digest, own CRDs"]), "Deployment")
    spec = template["spec"]["template"]["spec"]
    digest = "registry.example/grove@sha256:" + "0" * 64
    assert {container["image"] for container in spec["containers"]} == {digest}
    assert "initContainers" not in spec


@pytest.mark.parametrize(
    ("values", "image"),
    [
        ({}, f"grove-initc:{VERSION}"),
        (
            {"image": {"repository": "registry.example:5000/ai/operator", "tag": "2.0"}},
            "registry.example:5000/ai/grove-initc:2.0",
        ),
        (GOOD["private registry, digest, own CRDs"], f"registry.example/grove-initc:{VERSION}"),
        (
            {
                "image": {"repository": "registry.example/grove-operator", "tag": "2.0"},
                "initContainer": {"image": {"repository": "mirror.example/wait", "tag": DIGEST}},
            },
            f"mirror.example/wait@{DIGEST}",
        ),
        (
            {"deployment": {"env": [{"name": WAITER, "value": "mine"}]}},
            "mine",
        ),
        (
            {"deployment": {"env": [{"name": "GROVE_LOG_LEVEL", "value": "debug"}]}},
            f"grove-initc:{VERSION}",
        ),
    ],
    ids=[
        "by default",
        "beside the operator's",
        "never with the operator's digest",
        "named by itself",
        "named in the environment",
        "beside other variables",
    ],
)
def test_the_waiter_comes_from_where_the_operator_does(
    helm: Helm, values: Values, image: str
) -> None:
    containers = one(helm.render(values), "Deployment")["spec"]["template"]["spec"]["containers"]
    [told] = [item["value"] for item in containers[0]["env"] if item["name"] == WAITER]
    assert told == image


def test_monitoring_is_made_of_the_files_that_come_with_the_chart(helm: Helm) -> None:
    bodies = helm.render(GOOD["all of monitoring"])
    endpoints = one(bodies, "ServiceMonitor")["spec"]["endpoints"]
    served = {port["name"] for port in one(bodies, "Service")["spec"]["ports"]}
    assert {endpoint["port"] for endpoint in endpoints} == served - {"webhooks"}
    rules = one(bodies, "PrometheusRule")["spec"]
    assert "${RUNBOOKS}" not in str(rules)
    assert one(bodies, "ConfigMap", "grove-operator-dashboard")["data"]
    assert not {body["kind"] for body in helm.render()} & MONITORING
