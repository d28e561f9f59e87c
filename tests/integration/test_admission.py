"""What users read when they apply something: defaults, refusals, warnings, by a real server."""

import asyncio
import copy
import json
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

import pytest

from tests.integration.sets import Body, a_clique, a_group, a_set, plain
from tests.support.controlplane import ApiError, Kube, path_of
from tests.support.privileges import webhook_kubeconfig
from tests.support.webhook import WebhookProcess, a_review
from tools.localcluster import LocalCluster, ensure
from tools.localcluster.toolsets import CONTROL_PLANE

SETS = "grove.io/v1alpha1"


@dataclass(frozen=True)
class Answer:
    """What kubectl printed."""

    code: int
    out: str
    err: str


@dataclass(frozen=True)
class User:
    """Somebody with kubectl and a namespace."""

    kubeconfig: Path
    namespace: str

    async def apply(self, body: Body, *options: str) -> Answer:
        return await self.run("apply", "-f", "-", *options, stdin=json.dumps(body))

    async def run(self, *arguments: str, stdin: str = "") -> Answer:
        kubectl = str(ensure(CONTROL_PLANE)["kubectl"])
        result = await asyncio.to_thread(
            subprocess.run,
            [kubectl, "--kubeconfig", str(self.kubeconfig), "-n", self.namespace, *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
        )
        return Answer(result.returncode, result.stdout, result.stderr)


@pytest.fixture
def user(ground: LocalCluster, admission: WebhookProcess, namespace: str) -> User:
    del admission
    return User(ground.kubeconfig, namespace)


def sound() -> Body:
    cliques = [
        a_clique("router", 2, 1),
        a_clique("lead", startsAfter=["router"]),
        a_clique("oar", 2, 1, startsAfter=["lead"]),
    ]
    body = a_set("tide", cliques, [a_group("crew", ["lead", "oar"], 2, 1)])
    body["spec"]["template"]["cliqueStartupType"] = "CliqueStartupTypeExplicit"
    return body


def clique(body: Body, index: int) -> Body:
    found: Body = body["spec"]["template"]["cliques"][index]
    return found


def group(body: Body) -> Body:
    found: Body = body["spec"]["template"]["podCliqueScalingGroups"][0]
    return found


Change = Callable[[Body], object]

REFUSED: dict[str, tuple[Change, str]] = {
    "minimum above count": (
        lambda body: clique(body, 0)["spec"].update(minAvailable=3),
        "spec.template.cliques[0].spec.minAvailable: Invalid value: 3: ",
    ),
    "circle": (
        lambda body: clique(body, 1)["spec"].update(startsAfter=["oar"]),
        "spec.template.cliques: Invalid value: ",
    ),
    "starts after itself": (
        lambda body: clique(body, 1)["spec"].update(startsAfter=["lead"]),
        "spec.template.cliques[1].spec.startsAfter: Invalid value: ",
    ),
    "unknown member": (
        lambda body: group(body).update(cliqueNames=["lead", "oar", "cox"]),
        "spec.template.podCliqueScalingGroups[0].cliqueNames: Invalid value: ",
    ),
    "same role": (
        lambda body: clique(body, 1)["spec"].update(roleName="router"),
        "spec.template.cliques.roleName: Duplicate value: ",
    ),
    "no cliques": (
        lambda body: body["spec"]["template"].update(cliques=[], podCliqueScalingGroups=[]),
        "spec.template.cliques: Required value",
    ),
    "delay": (
        lambda body: body["spec"]["template"].update(terminationDelay="0s"),
        'spec.template.terminationDelay: Invalid value: "0s": ',
    ),
    "no duration": (
        lambda body: body["spec"]["template"].update(terminationDelay="soon"),
        "spec.template.terminationDelay: Invalid value: ",
    ),
    "scheduler that is not enabled": (
        lambda body: [
            clique(body, index)["spec"]["podSpec"].update(schedulerName="nope")
            for index in range(3)
        ],
        "spec.template.cliques.spec.podSpec.schedulerName: Invalid value: ",
    ),
    "long name": (
        lambda body: body["metadata"].update(name="x" * 50),
        "metadata.name: Invalid value: ",
    ),
    "variable": (
        lambda body: clique(body, 0)["spec"]["podSpec"]["containers"][0].update(
            env=[{"name": "A=B", "value": "1"}]
        ),
        "spec.template.cliques[0].spec.podSpec.spec.containers[0].env[0].name: Invalid value: ",
    ),
    "pod that no API server takes": (
        lambda body: clique(body, 2)["spec"]["podSpec"]["containers"][0].update(
            ports=[{"containerPort": 99999}]
        ),
        "spec.template.cliques[2].spec.podSpec.containers[0].ports[0].containerPort: ",
    ),
    "mount without a volume": (
        lambda body: clique(body, 0)["spec"]["podSpec"]["containers"][0].update(
            volumeMounts=[{"name": "weights", "mountPath": "/weights"}]
        ),
        "spec.template.cliques[0].spec.podSpec.containers[0].volumeMounts[0].name: Not found: "
        '"weights"',
    ),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_refused_with_the_path_and_the_reason(user: User, kube: Kube, name: str) -> None:
    change, expected = REFUSED[name]
    body = sound()
    change(body)
    answer = await user.apply(body)
    assert answer.code == 1
    assert expected in answer.err
    assert await kube.list(path_of(SETS, "podcliquesets", user.namespace)) == []


async def test_all_errors_are_told_at_once(user: User) -> None:
    body = sound()
    for name in ("minimum above count", "unknown member", "delay"):
        REFUSED[name][0](body)
    answer = await user.apply(body)
    assert "(Forbidden)" in answer.err
    assert (
        'admission webhook "pcs.validating.webhooks.grove.io" denied the request: [' in answer.err
    )
    for name in ("minimum above count", "unknown member", "delay"):
        assert REFUSED[name][1] in answer.err


async def test_defaults_are_filled_in(user: User, kube: Kube) -> None:
    body = sound()
    del clique(body, 0)["spec"]["minAvailable"]
    del clique(body, 1)["spec"]["roleName"]
    del body["spec"]["template"]["headlessServiceConfig"]
    answer = await user.apply(body)
    assert answer.code == 0, answer.err
    stored = await kube.get(path_of(SETS, "podcliquesets", user.namespace, "tide"))
    template = stored["spec"]["template"]
    router = template["cliques"][0]["spec"]
    assert router["minAvailable"] == 2
    assert router["podSpec"]["restartPolicy"] == "Always"
    assert router["podSpec"]["terminationGracePeriodSeconds"] == 30
    assert template["cliques"][1]["spec"]["roleName"] == ""
    assert template["terminationDelay"] == "4h0m0s"
    assert template["headlessServiceConfig"] == {"publishNotReadyAddresses": True}


@pytest.mark.parametrize("options", [(), ("--server-side",)])
async def test_applying_the_same_set_again_changes_nothing(
    user: User, kube: Kube, options: tuple[str, ...]
) -> None:
    path = path_of(SETS, "podcliquesets", user.namespace, "tide")
    assert (await user.apply(sound(), *options)).code == 0
    before = await kube.get(path)
    assert (await user.apply(sound(), *options)).code == 0
    after = await kube.get(path)
    assert after["spec"] == before["spec"]
    assert after["metadata"]["generation"] == before["metadata"]["generation"]


async def test_what_cannot_be_changed_is_said(user: User) -> None:
    assert (await user.apply(sound())).code == 0
    body = sound()
    clique(body, 0)["spec"]["minAvailable"] = 2
    body["spec"]["template"]["cliqueStartupType"] = "CliqueStartupTypeAnyOrder"
    answer = await user.apply(body)
    assert answer.code == 1
    assert "spec.template.cliques.spec.minAvailable: Invalid value: 2: " in answer.err
    assert "spec.template.cliqueStartupType: Invalid value: " in answer.err
    assert "field is immutable" in answer.err


async def test_what_may_be_put_right_later_is_a_warning(user: User) -> None:
    body = plain("orphan")
    clique(body, 0)["spec"]["podSpec"]["serviceAccountName"] = "not-made-yet"
    answer = await user.apply(body)
    assert answer.code == 0
    assert "Warning: " in answer.err
    assert "not-made-yet" in answer.err


async def test_quota_is_a_warning(user: User, kube: Kube) -> None:
    quota = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "none"},
        "spec": {"hard": {"pods": "0"}},
    }
    path = path_of("v1", "resourcequotas", user.namespace)
    await kube.create(path, quota)
    await kube.wait_for(
        f"{path}/none", lambda found: bool(found and found.get("status", {}).get("hard"))
    )
    answer = await user.apply(plain("poor"))
    assert answer.code == 0
    assert "exceeded quota" in answer.err


async def test_a_set_that_became_wrong_can_be_deleted(user: User, kube: Kube) -> None:
    """As when it was stored by an older version, or when a scheduler was switched off."""
    label = {"metadata": {"labels": {"test.grove.io/no-admission": "yes"}}}
    await kube.patch(path_of("v1", "namespaces", name=user.namespace), label)
    body = sound()
    clique(body, 0)["spec"]["minAvailable"] = 9
    body["metadata"]["finalizers"] = ["example.org/wait"]
    path = path_of(SETS, "podcliquesets", user.namespace)
    await _until_stored(kube, path, body)
    await kube.patch(
        path_of("v1", "namespaces", name=user.namespace),
        {"metadata": {"labels": {"test.grove.io/no-admission": None}}},
    )
    await _until_refused(kube, path)
    await kube.patch(f"{path}/tide", {"metadata": {"finalizers": ["example.org/wait", "b.org/c"]}})
    await kube.delete(f"{path}/tide")
    await kube.patch(f"{path}/tide", {"metadata": {"finalizers": []}})
    await kube.wait_gone(f"{path}/tide")


async def _until_stored(kube: Kube, path: str, body: Body) -> None:
    """The server learns of the label a moment after it is set."""
    async with asyncio.timeout(10):
        while True:
            try:
                await kube.create(path, body)
            except ApiError as error:
                if error.status != HTTPStatus.FORBIDDEN:
                    raise
                await asyncio.sleep(0.05)
            else:
                return


async def _until_refused(kube: Kube, path: str) -> None:
    wrong = sound()
    wrong["metadata"]["name"] = "probe"
    clique(wrong, 0)["spec"]["minAvailable"] = 9
    async with asyncio.timeout(10):
        while True:
            try:
                await kube.create(f"{path}?dryRun=All", wrong)
            except ApiError as error:
                if error.status != HTTPStatus.FORBIDDEN:
                    raise
                return
            await asyncio.sleep(0.05)


async def test_topologies_are_checked(user: User) -> None:
    body = {
        "apiVersion": SETS,
        "kind": "ClusterTopologyBinding",
        "metadata": {"name": f"dc-{user.namespace}"},
        "spec": {
            "levels": [
                {"domain": "zone", "key": "topology.kubernetes.io/zone"},
                {"domain": "zone", "key": "topology.kubernetes.io/zone"},
            ]
        },
    }
    answer = await user.apply(body, "--dry-run=server")
    assert 'spec.levels[1].domain: Duplicate value: "zone"' in answer.err
    assert 'spec.levels[1].key: Duplicate value: "topology.kubernetes.io/zone"' in answer.err


async def test_topology_constraints_are_looked_up(
    ground: LocalCluster, kube: Kube, namespace: str, tmp_path: Path
) -> None:
    name = f"levels-{namespace}"
    levels = [
        {"domain": "zone", "key": "topology.kubernetes.io/zone"},
        {"domain": "rack", "key": "topology.kubernetes.io/rack"},
    ]
    await kube.create(
        path_of(SETS, "clustertopologybindings"),
        {
            "apiVersion": SETS,
            "kind": "ClusterTopologyBinding",
            "metadata": {"name": name},
            "spec": {"levels": levels},
        },
    )
    expected = {
        (name, "rack"): "",
        (name, "row"): "topology domain 'row' does not exist in cluster topology [zone rack]",
        ("nowhere", "rack"): 'ClusterTopologyBinding "nowhere" not found',
    }
    enabled = {"GROVE_TOPOLOGY_AWARE_SCHEDULING__ENABLED": "true"}
    told = {}
    with WebhookProcess(webhook_kubeconfig(ground), tmp_path, **enabled) as process:
        for topology, domain in expected:
            body = sound()
            body["metadata"]["namespace"] = namespace
            body["spec"]["template"] |= {
                "terminationDelay": "4h0m0s",
                "topologyConstraint": {"topologyName": topology, "pack": {"required": domain}},
            }
            answer = await asyncio.to_thread(
                process.post, "/webhooks/validate-podcliqueset", a_review(body)
            )
            response = json.loads(answer[1])["response"]
            told[topology, domain] = response.get("status", {}).get("message", "")
    assert {key: expected[key] in text for key, text in told.items()} == dict.fromkeys(told, True)
    assert told[name, "rack"] == ""
    await kube.delete(path_of(SETS, "clustertopologybindings", name=name))


# --- what is not a proper review ---------------------------------------------------------------


UNREADABLE: dict[str, tuple[bytes, dict[str, str], int]] = {
    "no JSON": (b"{", {}, 400),
    "nothing": (b"", {}, 400),
    "not UTF-8": (b'{"kind": "\xff"}', {}, 400),
    "a list": (b"[]", {}, 400),
    "another kind": (b'{"apiVersion": "admission.k8s.io/v1", "kind": "Pod"}', {}, 400),
    "another version": (a_review({}).replace(b'k8s.io/v1"', b'k8s.io/v1beta1"'), {}, 400),
    "another content type": (a_review({}), {"Content-Type": "application/yaml"}, 415),
    "too deep": (b"[" * 200_000, {}, 400),
    "deep": (a_review(json.loads("[" * 900 + "]" * 900)), {}, 400),
    "too large": (b" " * (17 * 2**20), {}, 413),
    "too many digits": (b'{"a": ' + b"9" * 5000 + b"}", {}, 400),
}


@pytest.mark.parametrize("name", UNREADABLE)
async def test_what_is_no_review_is_answered_by_4xx(admission: WebhookProcess, name: str) -> None:
    body, headers, expected = UNREADABLE[name]
    for path in ("/webhooks/default-podcliqueset", "/webhooks/validate-podcliqueset"):
        status, _ = await asyncio.to_thread(admission.post, path, body, headers)
        assert status == expected


async def test_a_review_of_another_kind_is_refused(admission: WebhookProcess) -> None:
    body = json.loads(a_review(sound()))
    body["request"]["resource"]["resource"] = "podcliques"
    status, answer = await asyncio.to_thread(
        admission.post, "/webhooks/validate-podcliqueset", json.dumps(body).encode()
    )
    response = json.loads(answer)["response"]
    assert (status, response["allowed"], response["status"]["code"]) == (200, False, 400)


async def test_no_value_of_a_user_is_logged(
    ground: LocalCluster, namespace: str, tmp_path: Path, kube: Kube
) -> None:
    secret = "hunter2-hunter2"
    process = WebhookProcess(ground.kubeconfig, tmp_path, GROVE_LOG_LEVEL="debug")
    with process:
        for change in (lambda _: None, *(change for change, _ in REFUSED.values())):
            body = copy.deepcopy(sound())
            body["metadata"]["namespace"] = namespace
            clique(body, 0)["spec"]["podSpec"]["containers"][0]["env"] = [
                {"name": "TOKEN", "value": secret}
            ]
            change(body)
            for path in ("/webhooks/default-podcliqueset", "/webhooks/validate-podcliqueset"):
                await asyncio.to_thread(process.post, path, a_review(body))
        for junk in (f'{{"a": "{secret}"', f'["{secret}"]'):
            await asyncio.to_thread(process.post, "/webhooks/validate-podcliqueset", junk.encode())
    log = process.log.read_text()
    assert "listening" in log
    assert secret not in log
    stored = await kube.get(path_of("v1", "secrets", "default", "grove-webhook-server-cert"))
    assert all(stored["data"][key] not in log for key in ("tls.key", "ca.key"))
    assert "PRIVATE KEY" not in log
