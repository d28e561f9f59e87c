"""The CRDs on a real API server: what it accepts, refuses, fills in, shows and explains."""

import json
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from tests.conftest import ControlPlane
from tests.integration.crd_cases import (
    ACCEPTED,
    OLD_PACK,
    PACK,
    REFUSED,
    Body,
    Edit,
    a_binding,
    a_clique,
    a_gang,
    a_group,
    a_set,
    clique,
    clique_spec,
    container,
    edited,
    group,
)
from tools.localcluster.acquire import Binaries

pytestmark = [pytest.mark.cluster, pytest.mark.unguarded]

ROOT = Path(__file__).parents[2]
CRDS = sorted((ROOT / "crds").glob("*.yaml"))
PIER = ROOT / "tests" / "support" / "manifests" / "pier.yaml"


@dataclass(frozen=True)
class Answer:
    code: int
    text: str


@dataclass(frozen=True)
class Kubectl:
    """kubectl with its own discovery cache, which would otherwise miss CRDs that are new."""

    program: Path
    options: tuple[str, ...]

    def run(self, *args: str, body: Body | None = None) -> Answer:
        done = subprocess.run(
            [self.program, *self.options, *args, *(("-f", "-") if body else ())],
            input=json.dumps(body) if body else None,
            capture_output=True,
            text=True,
            check=False,
        )
        return Answer(done.returncode, done.stdout + done.stderr)

    def ok(self, *args: str, body: Body | None = None) -> str:
        answer = self.run(*args, body=body)
        assert answer.code == 0, answer.text
        return answer.text

    def get(self, *args: str) -> Body:
        loaded: Body = json.loads(self.ok("get", *args, "-o", "json"))
        return loaded


@pytest.fixture(scope="module")
def kubectl(
    control_plane: ControlPlane,
    control_plane_binaries: Binaries,
    tmp_path_factory: pytest.TempPathFactory,
) -> Kubectl:
    """Applies the CRDs as a user would, and waits until the server serves them."""
    cache = tmp_path_factory.mktemp("discovery")
    options = (f"--kubeconfig={control_plane.kubeconfig}", f"--cache-dir={cache}")
    made = Kubectl(Path(control_plane_binaries["kubectl"]), options)
    files = [f"--filename={path}" for path in CRDS]
    made.ok("apply", *files)
    made.ok("wait", "--for=condition=Established", "--timeout=30s", *files)
    deadline = time.monotonic() + 30
    while missing := not_served(made):
        assert time.monotonic() < deadline, f"established, but not served: {missing}"
    return made


def not_served(kubectl: Kubectl) -> list[str]:
    """Short names that discovery or explanation lacks: both come a moment after Established."""
    kubectl.ok("api-resources", "--cached=false")
    shorts = ("pcs", "pcsg", "pclq", "ct", "pg")
    return [short for short in shorts if kubectl.run("explain", short).code != 0]


@pytest.fixture
def inside(kubectl: Kubectl, namespace: str) -> Kubectl:
    return Kubectl(kubectl.program, (*kubectl.options, f"--namespace={namespace}"))


def test_the_crds_are_structural_and_established(kubectl: Kubectl) -> None:
    for path in CRDS:
        name = yaml.safe_load(path.read_text())["metadata"]["name"]
        found = {
            item["type"]: item["status"]
            for item in kubectl.get("crd", name)["status"]["conditions"]
        }
        assert found == {"NamesAccepted": "True", "Established": "True"}, name


EXPLAINED = {
    "the set": ("pcs", "start together or not at all"),
    "cliques": ("pcs.spec.template.cliques", "Name of the clique, unique in the set"),
    "what cannot change later": ("pcs.spec.template.cliques.spec.minAvailable", "later"),
    "defaults": ("pcs.spec.template.terminationDelay", "Default: 4h."),
    "values to choose from": ("pcs.spec.template.cliqueStartupType", "CliqueStartupTypeInOrder"),
    "where pods are explained": (
        "pcs.spec.template.cliques.spec.podSpec",
        "kubectl explain pod.spec",
    ),
    "fields of pods": ("pclq.spec.podSpec.containers", "imagePullPolicy"),
    "metrics": ("pcs.spec.template.podCliqueScalingGroups.scaleConfig.metrics", "hpa.spec.metrics"),
    "topology": ("ct.spec.levels", "Node label"),
    "counters": ("pcsg.status.availableReplicas", "minAvailable ready pods"),
    "gangs": ("pg.spec.podgroups.minReplicas", "for the gang to start"),
}


@pytest.mark.parametrize(("path", "text"), EXPLAINED.values(), ids=EXPLAINED)
def test_kubectl_explains(kubectl: Kubectl, path: str, text: str) -> None:
    assert text in " ".join(kubectl.ok("explain", path).split())


@pytest.mark.parametrize(("body", "edit"), ACCEPTED.values(), ids=ACCEPTED)
def test_accepts(inside: Kubectl, body: Body, edit: Edit) -> None:
    inside.ok("create", "--dry-run=server", body=edited(body, edit))


@pytest.mark.parametrize(("body", "edit", "words"), REFUSED.values(), ids=REFUSED)
def test_refuses(inside: Kubectl, body: Body, edit: Edit, words: str) -> None:
    answer = inside.run("create", "--dry-run=server", body=edited(body, edit))
    assert answer.code != 0, answer.text
    assert words in answer.text


def test_the_old_spelling_may_stay_where_it_was(inside: Kubectl) -> None:
    """Only creation is refused; sets from before keep working."""
    inside.ok("create", body=edited(a_set(), clique(topologyConstraint=PACK)))
    old = edited(a_set(), clique(topologyConstraint=OLD_PACK))
    inside.ok("replace", body=old)
    inside.ok("scale", "pcs/tide", "--replicas=1")
    constraint = inside.get("pcs", "tide")["spec"]["template"]["cliques"][0]["topologyConstraint"]
    assert constraint == OLD_PACK


@pytest.mark.parametrize(
    ("edit", "field"),
    [
        (clique_spec(minAvailabel=1), "spec.template.cliques[0].spec.minAvailabel"),
        (container(imagePullPolicies=""), "podSpec.containers[0].imagePullPolicies"),
    ],
    ids=["of ours", "of a pod"],
)
def test_a_misspelt_field_is_reported(inside: Kubectl, edit: Edit, field: str) -> None:
    answer = inside.run("apply", body=edited(a_set(), edit))
    assert answer.code != 0
    assert "strict decoding error: unknown field" in answer.text
    assert field in answer.text


def test_a_full_manifest_is_stored_as_written(inside: Kubectl) -> None:
    manifest = yaml.safe_load(PIER.read_text())
    inside.ok("apply", body=manifest)
    stored = inside.get("pcs", "pier")["spec"]
    manifest["spec"]["template"]["cliques"][0]["spec"]["podSpec"]["containers"][0]["ports"][0][
        "protocol"
    ] = "TCP"
    assert stored == manifest["spec"]


def test_the_server_fills_in_its_part_of_the_defaults(inside: Kubectl) -> None:
    given = edited(a_set(), group())
    given["spec"] |= {"updateStrategy": {}}
    given["spec"]["template"] |= {"headlessServiceConfig": {}}
    inside.ok("apply", body=given)
    stored = inside.get("pcs", "tide")["spec"]
    given["spec"] |= {"replicas": 0, "updateStrategy": {"type": "RollingRecreate"}}
    given["spec"]["template"] |= {
        "cliqueStartupType": "CliqueStartupTypeAnyOrder",
        "headlessServiceConfig": {"publishNotReadyAddresses": True},
    }
    given["spec"]["template"]["podCliqueScalingGroups"][0] |= {"replicas": 1, "minAvailable": 1}
    assert stored == given["spec"]


def test_absent_parts_of_the_template_stay_absent(inside: Kubectl) -> None:
    inside.ok("apply", body=a_set())
    stored = inside.get("pcs", "tide")
    assert set(stored["spec"]) == {"replicas", "template"}
    assert set(stored["spec"]["template"]) == {"cliqueStartupType", "cliques"}
    assert "status" not in stored


def test_a_group_gets_its_counts(inside: Kubectl) -> None:
    inside.ok("apply", body=a_group())
    stored = inside.get("pcsg", "tide-0-g")["spec"]
    assert stored == {"cliqueNames": ["a"], "replicas": 1, "minAvailable": 1}


STATUSES = {
    "pcs": (a_set(), {"updatedReplicas": 0, "availableReplicas": 0}),
    "pcsg": (
        a_group(),
        {"scheduledReplicas": 0, "availableReplicas": 0, "updatedReplicas": 0},
    ),
    "pclq": (
        a_clique(),
        {
            "readyReplicas": 0,
            "updatedReplicas": 0,
            "scheduleGatedReplicas": 0,
            "scheduledReplicas": 0,
        },
    ),
}


@pytest.mark.parametrize(("short", "body", "zeros"), [(k, *v) for k, v in STATUSES.items()])
def test_a_status_gets_its_zeros(inside: Kubectl, short: str, body: Body, zeros: Body) -> None:
    inside.ok("create", body=body)
    name = f"{short}/{body['metadata']['name']}"
    patch_status(inside, name, {"observedGeneration": 1, "kopf": {"progress": "x"}})
    assert inside.get(name)["status"] == {"observedGeneration": 1, **zeros}


def patch_status(inside: Kubectl, name: str, status: Body) -> None:
    patch = json.dumps({"status": status})
    inside.ok("patch", name, "--subresource=status", "--type=merge", f"--patch={patch}")


def test_conditions_are_checked(inside: Kubectl) -> None:
    inside.ok("create", body=a_gang())
    good = {
        "type": "Initialized",
        "status": "True",
        "reason": "R",
        "message": "",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }
    patch_status(inside, "pg/tide-0", {"phase": "Pending", "conditions": [good, good]})
    for field, bad in (("status", "Yes"), ("reason", ""), ("type", "a b"), ("reason", None)):
        patch = json.dumps({"status": {"conditions": [good | {field: bad}]}})
        answer = inside.run(
            "patch", "pg/tide-0", "--subresource=status", "--type=merge", f"--patch={patch}"
        )
        assert f"status.conditions[0].{field}" in answer.text


SCALED = {
    "pcs": (a_set(), "hpaPodSelector"),
    "pcsg": (a_group(), "selector"),
    "pclq": (a_clique(), "hpaPodSelector"),
}


@pytest.mark.parametrize(("short", "body", "field"), [(k, *v) for k, v in SCALED.items()])
def test_scales(inside: Kubectl, short: str, body: Body, field: str) -> None:
    inside.ok("create", body=body)
    name = f"{short}/{body['metadata']['name']}"
    inside.ok("scale", name, "--replicas=7")
    patch_status(inside, name, {"replicas": 3, field: "app=tide"})
    scale = inside.get(name, "--subresource=scale")
    assert scale["spec"] == {"replicas": 7}
    assert scale["status"] == {"replicas": 3, "selector": "app=tide"}
    assert inside.get(name)["spec"]["replicas"] == 7


COLUMNS = {
    "pcs": (
        a_set(),
        "NAME REPLICAS AVAILABLE UPDATED PCLQS-UPDATED PCLQS-TOTAL PCSGS-UPDATED PCSGS-TOTAL AGE",
    ),
    "pcsg": (
        a_group(),
        (
            "NAME MINAVAIL REPLICAS AVAILABLE SCHEDULED UPDATED PCLQS-UPDATED PCLQS-TOTAL "
            "MINBREACHED AGE"
        ),
    ),
    "pclq": (
        a_clique(),
        "NAME MINAVAIL REPLICAS READY SCHEDULED UPDATED GATED MINBREACHED AGE",
    ),
    "pg": (a_gang(), "NAME PHASE AGE"),
}


@pytest.mark.parametrize(("short", "body", "columns"), [(k, *v) for k, v in COLUMNS.items()])
def test_shows_columns(inside: Kubectl, short: str, body: Body, columns: str) -> None:
    inside.ok("create", body=body)
    header, line = inside.ok("get", short, "-o", "wide").splitlines()
    assert header.split() == columns.split()
    assert line.split()[0] == body["metadata"]["name"]


def test_breach_and_gates_are_shown_on_request_only(inside: Kubectl) -> None:
    inside.ok("create", body=a_clique())
    header = inside.ok("get", "pclq").splitlines()[0].split()
    assert not {"GATED", "MINBREACHED"} & set(header)


def test_a_topology_belongs_to_the_cluster(inside: Kubectl, namespace: str) -> None:
    binding = a_binding(namespace)  # a name of our own in a cluster that tests share
    inside.ok("create", body=binding)
    try:
        header, line = inside.ok("get", "ct", namespace).splitlines()
        assert header.split() == ["NAME", "DOMAINS", "AGE"]
        assert "namespace" not in inside.get("ct", namespace)["metadata"]
        assert line.split()[0] == namespace
    finally:
        inside.ok("delete", "ct", namespace)
