"""Releases with the real helm on a real API server: accepted, installed, upgraded, taken away."""

import base64
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from grove_operator.__main__ import app
from grove_operator.api.rights import CERTIFICATE
from grove_operator.api.schema_kinds import KINDS
from grove_operator.webhook.renewal import Material, Step, Terms, carry_out
from tests.charts.clusters import Site, site
from tests.charts.helm import NAMESPACE, one
from tests.charts.pods import account_kubeconfig
from tests.charts.valuesets import GOOD, Values
from tests.integration.sets import a_clique, a_set
from tools.chart import CHART
from tools.localcluster import ClusterError

Body = dict[str, Any]

pytestmark = pytest.mark.cluster

FOREIGN = Path(__file__).with_name("foreign.yaml")
CRDS = sorted(f"{kind.plural}.{kind.group}" for kind in KINDS)
VALUES: Values = {"webhooks": {"excludedNamespaces": ["default"]}}
A_BUNDLE = base64.b64encode(
    carry_out(Step.REPLACE, Material(), Terms(("x",)), datetime.now(UTC)).ca_crt
).decode()
"""The API server takes nothing but certificates."""
BY_DEFAULT = [
    ("ClusterRole", "grove:system:grove-operator"),
    ("ClusterRole", "grove:system:grove-operator-crds"),
    ("ClusterRole", "grove:system:grove-operator-webhook"),
    ("ClusterRoleBinding", "grove:system:grove-operator"),
    ("ClusterRoleBinding", "grove:system:grove-operator-crds"),
    ("ClusterRoleBinding", "grove:system:grove-operator-webhook"),
    ("Deployment", "grove-operator"),
    ("MutatingWebhookConfiguration", "podcliqueset-defaulting-webhook"),
    ("PodDisruptionBudget", "grove-operator"),
    ("Role", "grove:system:grove-operator-lease"),
    ("Role", "grove:system:grove-operator-webhook"),
    ("RoleBinding", "grove:system:grove-operator-lease"),
    ("RoleBinding", "grove:system:grove-operator-webhook"),
    ("Service", "grove-operator"),
    ("ServiceAccount", "grove-operator"),
    ("ValidatingWebhookConfiguration", "clustertopology-validating-webhook"),
    ("ValidatingWebhookConfiguration", "podcliqueset-validating-webhook"),
]
"""And the configuration, whose name is its content."""


@pytest.fixture(scope="module")
def ground(
    helm_binary: Path, control_plane_binaries: object, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    del control_plane_binaries
    with site(helm_binary, tmp_path_factory.mktemp("release")) as made:
        made.cluster.kubectl("apply", "-f", str(FOREIGN))
        yield made


def found(ground: Site, *what: str) -> Any:
    return json.loads(ground.cluster.kubectl("get", *what, "-o", "json"))


# --- what the API server says ---------------------------------------------------------------


@pytest.mark.parametrize("values", GOOD.values(), ids=list(GOOD))
def test_the_api_server_takes_every_object_without_a_warning(ground: Site, values: Values) -> None:
    """A dry run with strict validation: unknown and doubled fields are refused."""
    bodies = ground.helm.render(values)
    said = ground.cluster.kubectl(
        *("apply", "--server-side", "--dry-run=server", "--validate=strict"),
        *("--force-conflicts", "-f", "-"),
        stdin=yaml.safe_dump_all(bodies),
    )
    assert len(said.splitlines()) == len(bodies)


@pytest.mark.parametrize("values", GOOD.values(), ids=list(GOOD))
def test_pods_are_let_in_where_only_restricted_ones_are(ground: Site, values: Values) -> None:
    template = one(ground.helm.render(values), "Deployment")["spec"]["template"]
    # The account comes with the release; admission asks for it before it looks at the pod.
    account = template["spec"].pop("serviceAccountName")
    template["spec"].pop("priorityClassName", None)
    assert account
    pod = {"apiVersion": "v1", "kind": "Pod", **template}
    pod["metadata"] |= {"name": "tried", "namespace": NAMESPACE}
    ground.cluster.kubectl("create", "--dry-run=server", "-f", "-", stdin=yaml.safe_dump(pod))


def test_a_pod_that_is_not_restricted_would_be_refused(ground: Site) -> None:
    """What the test above relies on."""
    template = one(
        ground.helm.render({"securityContext": {"allowPrivilegeEscalation": True}}), "Deployment"
    )["spec"]["template"]
    del template["spec"]["serviceAccountName"]
    pod = {"apiVersion": "v1", "kind": "Pod", **template}
    pod["metadata"] |= {"name": "tried", "namespace": NAMESPACE}
    with pytest.raises(ClusterError, match="violates PodSecurity"):
        ground.cluster.kubectl("create", "--dry-run=server", "-f", "-", stdin=yaml.safe_dump(pod))


# --- the life of a release ------------------------------------------------------------------


@pytest.fixture(scope="module")
def notes(ground: Site) -> Iterator[str]:
    """A release with default values, except that one namespace is not reviewed: nobody serves."""
    yield ground.helm.install(VALUES)
    ground.helm.uninstall()


def test_the_objects_of_a_release_are_those_expected(ground: Site, notes: str) -> None:
    del notes
    bodies = ground.helm.manifest()
    made = sorted((body["kind"], body["metadata"]["name"]) for body in bodies)
    [configured] = [item for item in made if item[0] == "ConfigMap"]
    assert configured[1].startswith("grove-operator-cm-")
    assert [item for item in made if item != configured] == BY_DEFAULT
    crds = found(ground, "crd", *CRDS)["items"]
    assert sorted(item["metadata"]["name"] for item in crds) == CRDS


def test_two_replicas_are_ready_on_nodes_of_their_own(ground: Site, notes: str) -> None:
    del notes
    pods = found(ground, "pods", "-n", NAMESPACE)["items"]
    assert len({pod["spec"]["nodeName"] for pod in pods}) == len(pods) == 2
    budget = found(ground, "pdb", "grove-operator", "-n", NAMESPACE)
    assert budget["status"]["disruptionsAllowed"] == 1


def test_notes_say_what_to_do_next(notes: str) -> None:
    said = notes.partition("NOTES:")[2]
    for command in ("rollout status", "examples/00-first", "helm uninstall grove"):
        assert command in said
    assert "grove-initc:" in said
    assert (CHART.parents[1] / "examples/00-first/podcliqueset.yaml").exists()


def bundle(ground: Site) -> str:
    kind = "mutatingwebhookconfiguration"
    body = found(ground, kind, "podcliqueset-defaulting-webhook")
    text: str = body["webhooks"][0]["clientConfig"].get("caBundle", "")
    return text


def pretend_certificates(ground: Site) -> Body:
    """What the webhook process writes."""
    encoded = base64.b64encode(b"a chain").decode()
    patch = [{"op": "add", "path": "/webhooks/0/clientConfig/caBundle", "value": A_BUNDLE}]
    name = "podcliqueset-defaulting-webhook"
    ground.cluster.kubectl(
        "patch", "mutatingwebhookconfiguration", name, "--type=json", "-p", json.dumps(patch)
    )
    ground.apply(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "type": "kubernetes.io/tls",
            "metadata": {"name": CERTIFICATE, "namespace": NAMESPACE},
            "data": {"tls.crt": encoded, "tls.key": encoded},
        }
    )
    return secret(ground)


def secret(ground: Site) -> Body:
    body: Body = found(ground, "secret", CERTIFICATE, "-n", NAMESPACE)
    return body


def config_names(ground: Site) -> list[str]:
    items = found(ground, "configmaps", "-n", NAMESPACE)["items"]
    names = [item["metadata"]["name"] for item in items]
    return [name for name in names if name.startswith("grove-operator-cm-")]


def test_upgrade_and_rollback_change_the_configuration_and_no_certificate(
    ground: Site, notes: str
) -> None:
    del notes
    before = pretend_certificates(ground)
    [first] = config_names(ground)
    ground.helm.upgrade(VALUES | {"config": {"logLevel": "debug"}})
    [second] = config_names(ground)
    ground.helm.rollback(ground.helm.revision() - 1)
    [third] = config_names(ground)
    assert first == third != second
    assert bundle(ground) == A_BUNDLE
    assert secret(ground) == before


def test_a_secret_of_the_charts_own_is_never_emptied(ground: Site, notes: str) -> None:
    """Made by hand before, adopted by the release, upgraded twice and dropped again."""
    del notes
    pretend_certificates(ground)
    owned = {"meta.helm.sh/release-name": "grove", "meta.helm.sh/release-namespace": NAMESPACE}
    place = ("secret", CERTIFICATE, "-n", NAMESPACE)
    ground.cluster.kubectl("annotate", *place, *(f"{key}={value}" for key, value in owned.items()))
    ground.cluster.kubectl("label", *place, "app.kubernetes.io/managed-by=Helm")
    kept = secret(ground)["data"]
    with_secret = VALUES | {"webhookServerSecret": {"enabled": True}}
    for values in (with_secret, with_secret, VALUES):
        ground.helm.upgrade(values)
        assert secret(ground)["data"] == kept


def test_crds_are_upgraded_with_the_rights_of_the_pods(
    ground: Site, notes: str, tmp_path: Path
) -> None:
    """Helm would leave them as they are; the init container puts them right."""
    del notes
    name = "podcliques.grove.io"
    schema = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/minAvailable"
    changes = [
        {"op": "remove", "path": schema},
        {
            "op": "add",
            "path": schema.replace("minAvailable", "bygone"),
            "value": {"type": "string"},
        },
    ]
    ground.cluster.kubectl("patch", "crd", name, "--type=json", "-p", json.dumps(changes))
    ground.cluster.kubectl("delete", "crd", "clustertopologybindings.grove.io")
    ground.helm.upgrade(VALUES)
    assert "minAvailable" not in fields(ground, name)
    assert "bygone" in fields(ground, name)
    kubeconfig = account_kubeconfig(ground.cluster, "grove-operator", tmp_path)
    [installer] = one(ground.helm.manifest(), "Deployment")["spec"]["template"]["spec"][
        "initContainers"
    ]
    done = CliRunner().invoke(app, [*installer["args"], "--kubeconfig", str(kubeconfig)])
    assert (done.exit_code, done.stderr) == (0, "")
    assert sorted(done.stdout.split()[::3]) == CRDS
    assert "minAvailable" in fields(ground, name)
    assert "bygone" not in fields(ground, name)
    managers = {
        entry["manager"]
        for entry in found(ground, "crd", name, "--show-managed-fields")["metadata"][
            "managedFields"
        ]
    }
    assert "grove-crd-installer" in managers
    before = versions(ground)
    again = CliRunner().invoke(app, [*installer["args"], "--kubeconfig", str(kubeconfig)])
    assert again.exit_code == 0
    assert versions(ground) == before, "what is as it should be was written again"


def versions(ground: Site) -> dict[str, str]:
    items = found(ground, "crd", *CRDS)["items"]
    return {item["metadata"]["name"]: item["metadata"]["resourceVersion"] for item in items}


def fields(ground: Site, name: str) -> Body:
    version = found(ground, "crd", name)["spec"]["versions"][0]
    properties: Body = version["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]
    return properties


def test_after_uninstall_workloads_and_crds_are_untouched(ground: Site, notes: str) -> None:
    del notes
    ground.apply(a_set("stays", [a_clique("web")]))
    marks = {"app.kubernetes.io/managed-by": "grove-operator", "app.kubernetes.io/part-of": "stays"}
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "stays-0-web-abcde", "labels": marks},
        "spec": {"containers": [{"name": "app", "image": "registry.example/web:1"}]},
    }
    ground.apply(pod)
    kept = (("podcliqueset", "stays"), ("pod", "stays-0-web-abcde"))
    before = [found(ground, *what)["metadata"]["uid"] for what in kept]
    ground.helm.uninstall()
    after = [found(ground, *what)["metadata"] for what in kept]
    assert [metadata["uid"] for metadata in after] == before
    assert not any("deletionTimestamp" in metadata for metadata in after)
    assert sorted(item["metadata"]["name"] for item in found(ground, "crd", *CRDS)["items"]) == CRDS
    hooks = "mutatingwebhookconfigurations,validatingwebhookconfigurations"
    assert found(ground, hooks)["items"] == []
    assert found(ground, "clusterroles", "-l", "app.kubernetes.io/part-of=grove")["items"] == []
    ground.helm.install(VALUES)
