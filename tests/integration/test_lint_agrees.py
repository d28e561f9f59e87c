"""`lint` and a real API server with our CRDs: the same verdict, at the same fields.

Bodies go to the server as dry runs. Most go to a namespace that no webhook looks at, and to the
part of lint that stands for the server; some go all the way, and to all of lint.
"""

import io
import json
import re
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from grove_operator.admission.apiserver import server_verdict
from grove_operator.cli.findings import Level
from grove_operator.cli.lint import lint
from grove_operator.cli.manifests import Manifest, read_manifests
from grove_operator.settings import Settings
from grove_operator.webhook.gate import policy_of
from tests.conftest import ControlPlane
from tests.integration.crd_cases import (
    BOTH_PACKS,
    OLD_PACK,
    PACK,
    PORT,
    Body,
    Edit,
    a_binding,
    a_set,
    clique,
    clique_spec,
    container,
    edited,
    group,
    spec,
    template,
    without,
)
from tests.support.controlplane import ApiError, Kube, path_of
from tests.support.webhook import BYPASS, WebhookProcess
from tools.demo.crds import install_crds
from tools.localcluster.acquire import Binaries

pytestmark = pytest.mark.cluster

GROVE = "grove.io/v1alpha1"
DRY_RUN = "?dryRun=All&fieldValidation=Strict"


@pytest.fixture(scope="module")
def unguarded(control_plane: ControlPlane) -> Iterator[str]:
    """A namespace in which the API server alone decides."""
    cluster = control_plane.local
    if cluster is None:
        pytest.skip("installing CRDs needs a local cluster")
    install_crds(cluster)
    name = f"lint-{uuid.uuid4().hex[:6]}"
    labelled = {"name": name, "labels": {BYPASS: "true"}}
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": labelled}
    cluster.kubectl("apply", "-f", "-", stdin=json.dumps(body))
    yield name
    cluster.kubectl("delete", "namespace", name, "--wait=false")


def metadata(**fields: Any) -> Edit:
    return lambda body: body["metadata"].update(fields)


def both(*edits: Edit) -> Edit:
    def edit(body: Any) -> None:
        for one in edits:
            one(body)

    return edit


def resources(**limits: Any) -> Edit:
    return container(resources={"limits": limits})


def volume_claim(**fields: Any) -> Edit:
    claim = {"volumeClaimTemplate": {"metadata": fields, "spec": {}}}
    return clique_spec(podSpec={"containers": [], "volumes": [{"name": "v", "ephemeral": claim}]})


METRIC = {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization"}}}
CLAIM = {"name": "c", "templateSpec": {"spec": {"devices": {"requests": [{"name": "r"}]}}}}

FINE: dict[str, tuple[Any, Edit]] = {
    "a short set": (a_set(), clique()),
    "nulls for what is optional": (
        a_set(),
        template(cliqueStartupType=None, terminationDelay=None, topologyConstraint=None),
    ),
    "a required domain": (a_set(), template(topologyConstraint=PACK)),
    "quantities as numbers and texts": (a_set(), resources(a=1, b="1Gi", c="1e3", d="-.5")),
    "a group with an autoscaler": (a_set(), group(scaleConfig={"maxReplicas": 3})),
    "an opaque autoscaler metric": (
        a_set(),
        clique_spec(autoScalingConfig={"maxReplicas": 3, "metrics": [METRIC]}),
    ),
    "a claim template": (a_set(), template(resourceClaimTemplates=[CLAIM])),
    "labels and annotations": (
        a_set(),
        metadata(labels={"a.b/c": "D_1", "e": ""}, annotations={"A.b/C": "any text", "d": ""}),
    ),
    "a generated name": (a_set(), lambda body: body.update(metadata={"generateName": "tide-"})),
    "a name with dots": (a_set(), metadata(name="1.tide")),
    "a whole number with a fraction": (a_set(), clique_spec(replicas=2.0)),
    "labels of a volume claim": (a_set(), volume_claim(labels={"a": "b"})),
    "a status, which is not taken": (a_set(), lambda body: body.update(status={"replicas": "x"})),
    "a binding": (a_binding(), spec()),
}

WRONG: dict[str, tuple[Any, Edit]] = {
    "a text for a number": (a_set(), spec(replicas="two")),
    "a fraction for a number": (a_set(), spec(replicas=1.5)),
    "a number for a text": (a_set(), container(image=3)),
    "a text for an object": (a_set(), spec(template="x")),
    "a number in a list of texts": (a_set(), container(args=["a", 1])),
    "a boolean for a quantity": (a_set(), resources(cpu=True)),
    "a quantity beyond 64 bits": (a_set(), resources(cpu=2**63)),
    "a fraction for a quantity": (a_set(), resources(cpu=0.5)),
    "a null in a list": (a_set(), template(cliques=[None])),
    "no template": (a_set(), without("spec", "template")),
    "no spec": (a_set(), without("spec")),
    "no cliques": (a_set(), without("spec", "template", "cliques")),
    "null for what is required": (a_set(), clique_spec(podSpec={"containers": None})),
    "an unknown startup type": (a_set(), template(cliqueStartupType="InOrder")),
    "a count beyond 32 bits": (a_set(), clique_spec(replicas=2**31)),
    "a negative count": (a_set(), spec(replicas=-1)),
    "the old spelling everywhere": (
        a_set(),
        both(
            group(topologyConstraint=OLD_PACK),
            clique(topologyConstraint=OLD_PACK),
            template(topologyConstraint=OLD_PACK),
        ),
    ),
    "both spellings": (a_set(), group(topologyConstraint=BOTH_PACKS)),
    "an empty pack": (a_set(), template(topologyConstraint={"pack": {}})),
    "no domain": (a_set(), clique(topologyConstraint={"topologyName": "hall"})),
    "a domain with a line end": (
        a_set(),
        template(topologyConstraint={"pack": {"required": "rack\n"}}),
    ),
    "a long domain": (a_set(), template(topologyConstraint={"pack": {"required": "r" * 64}})),
    "two cliques of one name": (
        a_set(),
        lambda body: body["spec"]["template"]["cliques"].extend(
            body["spec"]["template"]["cliques"] * 1
        ),
    ),
    "two ports of one number": (a_set(), container(ports=[PORT, PORT | {"protocol": "TCP"}])),
    "a bad quantity": (a_set(), resources(cpu="many")),
    "misspelt fields": (
        a_set(),
        both(
            clique_spec(minAvailabel=1),
            container(imagePullPolicies=""),
            metadata(lables={}),
            lambda body: body.update(extra=1),
        ),
    ),
    "a name of a volume claim, which nobody would look at": (a_set(), volume_claim(name="x")),
    "a bad finalizer": (a_set(), metadata(finalizers=["a b"])),
    "no name": (a_set(), lambda body: body.update(metadata={})),
    "a name with capitals": (a_set(), metadata(name="Tide")),
    "a long name": (a_set(), metadata(name="t" * 254)),
    "bad labels": (a_set(), metadata(labels={"a b": "c"})),
    "bad label values": (a_set(), metadata(labels={"a": "-"})),
    "bad annotations": (a_set(), metadata(annotations={"/a": "c"})),
    "big annotations": (a_set(), metadata(annotations={"a": "x" * 256 * 1024})),
    "several things at once": (
        a_set(),
        both(
            metadata(name="Tide", labels={"a": "b c"}),
            template(cliqueStartupType="", topologyConstraint={"pack": {"required": "Rack"}}),
        ),
    ),
    "a binding without levels": (a_binding(), spec(levels=[])),
    "a binding with a bad key": (a_binding(), spec(levels=[{"domain": "zone", "key": "a/b/c"}])),
    "a binding with a missing key": (a_binding(), spec(levels=[{"domain": "zone"}])),
}


@pytest.mark.parametrize(("body", "edit"), FINE.values(), ids=FINE)
async def test_both_accept(kube: Kube, unguarded: str, body: Body, edit: Edit) -> None:
    made = edited(body, edit)
    assert await told_by_the_server(kube, unguarded, made) is None
    assert told_by_lint(made) == set()


@pytest.mark.parametrize(("body", "edit"), WRONG.values(), ids=WRONG)
async def test_both_refuse(kube: Kube, unguarded: str, body: Body, edit: Edit) -> None:
    made = edited(body, edit)
    told = await told_by_the_server(kube, unguarded, made)
    assert told, "the server has nothing against it"
    assert told_by_lint(made) == told


async def told_by_the_server(kube: Kube, namespace: str, body: Body) -> set[str] | None:
    """Paths that the server complains about, None if it would create the object."""
    scope = namespace if body["kind"] == "PodCliqueSet" else None
    path = path_of(GROVE, f"{body['kind'].lower()}s", scope)
    try:
        await kube.create(f"{path}{DRY_RUN}", body)
    except ApiError as error:
        return paths_of(error.body)
    return None


UNKNOWN = re.compile(r'unknown field "([^"]*)"')
OUT_OF_RANGE = re.compile(r"must be of type \S+ with format \S+ in (\S+)$")


def paths_of(answer: Body) -> set[str]:
    """`<nil>` is the path of numbers out of range, too, and says that CEL rules were not tried."""
    causes = answer.get("details", {}).get("causes") or []
    fields = {cause["field"].removeprefix(".") for cause in causes} - {"<nil>"}
    numbers = (OUT_OF_RANGE.findall(cause["message"]) for cause in causes)
    return fields.union(UNKNOWN.findall(answer["message"]), *numbers)


def told_by_lint(body: Body) -> set[str]:
    """Unknown fields end the server's look at an object, so that they are compared alone."""
    _, unknown, errors = server_verdict(body)
    return set(unknown) or {error.path for error in errors}


def first_spec(body: Any) -> Body:
    found: Body = body["spec"]["template"]["cliques"][0]["spec"]
    return found


def delay(text: str) -> Edit:
    return template(terminationDelay=text)


def explicit(*after: str) -> Edit:
    startup = template(cliqueStartupType="CliqueStartupTypeExplicit")
    return both(startup, clique_spec(startsAfter=list(after)))


GUARDED: dict[str, Edit] = {
    "nothing wrong": clique(),
    "a missing role": lambda body: first_spec(body).pop("roleName"),
    "no counts at all": lambda body: first_spec(body).pop("replicas"),
    "counts that contradict": clique_spec(minAvailable=3),
    "no delay": delay("0s"),
    "a delay that is none": delay("soon"),
    "a clique after one that is unknown": explicit("b"),
    "a clique after itself": explicit("a"),
    "a group of nobody": group(cliqueNames=["b"]),
    "a name with a dot": metadata(name="tide.low"),
    "a long name": metadata(name="t" * 60),
    "a feature that is off": metadata(annotations={"grove.io/mnnvl-group": "a"}),
    "a topology, which is off": template(topologyConstraint=PACK),
    "several things": both(delay("-1s"), clique_spec(minAvailable=0), group(replicas=0)),
}


@pytest.mark.parametrize("edit", GUARDED.values(), ids=GUARDED)
async def test_admission_says_the_same(
    kube: Kube, admission: WebhookProcess, namespace: str, edit: Edit
) -> None:
    del admission
    body = edited(a_set(), edit)
    policy = policy_of(Settings())
    findings = lint(["-"], io.BytesIO(json.dumps(body).encode()), policy, namespace).findings
    told = [finding.sentence for finding in findings if finding.level == Level.ERROR]
    try:
        await kube.create(f"{path_of(GROVE, 'podcliquesets', namespace)}{DRY_RUN}", body)
    except ApiError as error:
        message = error.body["message"].partition("denied the request: ")[2]
        listed = message if len(told) == 1 else message.removeprefix("[").removesuffix("]")
        # Lint goes by lines, the webhook by rules.
        assert all(sentence in listed for sentence in told), message
        assert len(listed) == len(", ".join(told)), message
    else:
        assert told == []


ODD = """\
apiVersion: grove.io/v1alpha1
kind: PodCliqueSet
metadata: {name: tide}
spec:
  date: 2026-01-01
  times: [12:30, 1:2:3]
  booleans: [y, N, yes, On, off, true]
  y: a key
  1: another
  whole: [0644, 0o17, 08, 1_000, 0x1F, +5, -0644, 0b101]
  fractions: [1e3, 1.0, .5, 1.5e3, 1.]
  nothing: [~, Null, ]
  texts: [=, "12", !!str 5, !odd word, 1e, 0x, 1.2.3]
  base: &base {a: 1, b: 2}
  merged: {<<: *base, b: 3}
  twice: 1
  twice: 2
"""


def test_yaml_is_read_as_kubectl_reads_it(control_plane_binaries: Binaries, tmp_path: Path) -> None:
    file = tmp_path / "odd.yaml"
    file.write_text(ODD)
    (manifest,) = read_manifests([str(file)], io.BytesIO())
    assert isinstance(manifest, Manifest)
    kubectl = str(control_plane_binaries["kubectl"])
    command = [kubectl, "annotate", "--local", "-f", str(file), "a=b", "-o", "json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert manifest.body["spec"] == json.loads(done.stdout)["spec"]
    assert [key for key, _ in manifest.repeated_keys] == ["spec.twice"]
