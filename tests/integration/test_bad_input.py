"""Thousands of broken manifests against the running webhook process, over HTTPS.

Nothing may kill it, confuse it, or pass that the reconciler then calls wrong. A part also goes
through the real API server, which must never have to report a failing webhook.
"""

import asyncio
import base64
import copy
import http.client
import json
import ssl
from collections.abc import Iterator
from typing import Any

import jsonpatch
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from grove_operator.admission.defaulting import default_podcliqueset
from grove_operator.admission.validation import essential_problems
from grove_operator.api.parsing import parse_podcliqueset
from grove_operator.desired.blueprint import build_blueprint
from grove_operator.errors import SpecError
from grove_operator.plan.rehearse import rehearse
from tests.integration.sets import Body, tide
from tests.support.builders import NATIVE
from tests.support.controlplane import ApiError, Kube, path_of
from tests.support.mutations import mutated
from tests.support.webhook import WebhookProcess, a_review
from tools.localcluster import LocalCluster

DEFAULT = "/webhooks/default-podcliqueset"
VALIDATE = "/webhooks/validate-podcliqueset"
EXAMPLES = 2600
"""Reviews for each of two tests; each example is defaulted and validated."""
THROUGH_THE_SERVER = 250
TOO_BIG_TO_PLAN = 200
"""Replicas beyond which playing a set through is only slow."""


class Line:
    """One connection that stays open; urllib would make one for each review."""

    def __init__(self, webhook: WebhookProcess) -> None:
        self._webhook = webhook
        self._connection = self._connect()

    def _connect(self) -> http.client.HTTPSConnection:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        host = self._webhook.url.removeprefix("https://")
        return http.client.HTTPSConnection(host, timeout=20, context=context)

    def post(self, path: str, body: bytes) -> tuple[int, bytes]:
        headers = {"Content-Type": "application/json"}
        self._connection.request("POST", path, body, headers)
        answer = self._connection.getresponse()
        content = answer.read()
        if answer.will_close:
            self.close()
            self._connection = self._connect()
        return answer.status, content

    def close(self) -> None:
        self._connection.close()


@pytest.fixture(scope="module")
def line(admission: WebhookProcess) -> Iterator[Line]:
    opened = Line(admission)
    yield opened
    opened.close()


def a_manifest() -> Body:
    body = tide()
    body["metadata"]["namespace"] = "default"
    body["spec"]["template"]["cliqueStartupType"] = "CliqueStartupTypeExplicit"
    body["spec"]["template"]["terminationDelay"] = "4h"
    body["spec"]["template"]["cliques"][1]["spec"]["startsAfter"] = ["router"]
    return body


def respond(line: Line, path: str, review: bytes) -> Body:
    """The response; whatever was sent, it is one, and no failure of ours."""
    status, content = line.post(path, review)
    assert status == 200, content
    response: Body = json.loads(content)["response"]
    assert response["uid"] == "a-review"
    code = response.get("status", {}).get("code", 200)
    assert code < 500, response
    assert response["allowed"] or response["status"]["message"]
    return response


def changed(body: Body, response: Body) -> Any:
    if "patch" not in response:
        return body
    operations = json.loads(base64.b64decode(response["patch"]))
    return jsonpatch.apply_patch(copy.deepcopy(body), operations)


CHECKED = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    database=None,
    phases=(Phase.explicit, Phase.generate),  # shrinking through a network takes minutes
    suppress_health_check=list(HealthCheck),
)


@CHECKED
@given(body=mutated(a_manifest()))
def test_what_is_admitted_can_be_carried_out(line: Line, body: Body) -> None:
    """First the defaults, then the verdict, as the API server asks."""
    defaulted = changed(body, respond(line, DEFAULT, a_review(body)))
    again = changed(defaulted, respond(line, DEFAULT, a_review(defaulted)))
    assert again == defaulted
    verdict = respond(line, VALIDATE, a_review(defaulted))
    if verdict["allowed"]:
        _can_be_carried_out(defaulted)


def _can_be_carried_out(body: Body) -> None:
    metadata = body["metadata"] | {"uid": "u", "generation": 1}
    pcs = parse_podcliqueset(body | {"metadata": metadata})
    assert essential_problems(pcs) == []
    counts = [
        pcs.spec.replicas,
        *(clique.spec.replicas for clique in pcs.spec.template.cliques),
        *(group.replicas for group in pcs.spec.template.pod_clique_scaling_groups),
    ]
    if max(counts) <= TOO_BIG_TO_PLAN:
        rehearse(build_blueprint(pcs), NATIVE)


@CHECKED
@given(old=st.just(None) | mutated(a_manifest()), new=mutated(a_manifest()))
def test_updates_are_judged_whatever_was_stored(line: Line, old: Body | None, new: Body) -> None:
    before = a_manifest() if old is None else old
    defaulted = changed(new, respond(line, DEFAULT, a_review(new, "UPDATE", before)))
    verdict = respond(line, VALIDATE, a_review(defaulted, "UPDATE", before))
    if verdict["allowed"] and not _is_exempt(defaulted, before):
        _can_be_carried_out(defaulted)


def _is_exempt(new: Body, old: Body) -> bool:
    """A set that goes, or that stays as it was, is let through whatever is in it."""
    if "deletionTimestamp" in (new.get("metadata") or {}):
        return True
    try:
        before = parse_podcliqueset(default_podcliqueset(old))
    except SpecError:
        return False
    return before.spec == parse_podcliqueset(new).spec


def test_a_huge_manifest_is_judged(line: Line) -> None:
    """As large as the API server takes, three million bytes."""
    body = a_manifest()
    container = body["spec"]["template"]["cliques"][0]["spec"]["podSpec"]["containers"][0]
    container["env"] = [{"name": f"V{n}", "value": "x" * 1000} for n in range(2900)]
    assert respond(line, DEFAULT, a_review(body))["allowed"]
    respond(line, VALIDATE, a_review(body))


def test_a_thousand_cliques_are_judged(line: Line) -> None:
    body = a_manifest()
    template = body["spec"]["template"]
    template["cliques"] = [
        template["cliques"][0] | {"name": f"c-{index % 990}"} for index in range(1000)
    ]
    template["podCliqueScalingGroups"] = [
        {"name": f"c-{index}", "cliqueNames": [f"c-{index}", f"c-{index + 1}"], "replicas": 1}
        for index in range(0, 980, 2)
    ]
    assert not respond(line, VALIDATE, a_review(body))["allowed"]


async def test_the_api_server_never_meets_a_failing_webhook(
    ground: LocalCluster, kube: Kube, namespace: str
) -> None:
    del ground
    path = f"{path_of('grove.io/v1alpha1', 'podcliquesets', namespace)}?dryRun=All"
    bodies: list[Body] = []

    given_here = a_manifest()
    del given_here["metadata"]["namespace"]

    @settings(CHECKED, max_examples=THROUGH_THE_SERVER)
    @given(body=mutated(given_here))
    def collect(body: Body) -> None:
        bodies.append(body)

    collect()
    turns = asyncio.Semaphore(8)

    async def refusal(body: Body) -> ApiError | None:
        async with turns:
            try:
                await kube.create(path, body)
            except ApiError as error:
                return error
            return None

    answers = await asyncio.gather(*map(refusal, bodies))
    refused = [error for error in answers if error is not None]
    assert [str(error) for error in refused if error.status >= 500] == []
    assert 0 < len(refused) < len(bodies)
