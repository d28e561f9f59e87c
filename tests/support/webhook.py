"""The webhook as users run it: a process of its own, registered with the API server by URL.

    with WebhookProcess(kubeconfig, folder) as webhook:
        register(cluster, webhook)
        ...

Namespaces with the label that BYPASS names are left alone, for tests of what reaches the operator
without admission.
"""

import json
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from grove_operator.webhook.registration import by_url, configurations
from tests.support.operator import OperatorProcess, free_ports
from tools.demo.webhooks import HOST, webhook_environment
from tools.localcluster import LocalCluster

BYPASS: Final = "test.grove.io/no-admission"
_PATIENCE: Final = 15.0
_GLANCE: Final = 0.05


class WebhookProcess(OperatorProcess):
    """Serves admission on a port of its own."""

    COMMAND = "webhook"

    def __init__(self, kubeconfig: Path, folder: Path, **environment: str) -> None:
        (self.port,) = free_ports(1)
        super().__init__(kubeconfig, folder, **(webhook_environment(self.port) | environment))

    @property
    def url(self) -> str:
        return f"https://{HOST}:{self.port}"

    def post(
        self, path: str, body: bytes, headers: Mapping[str, str] | None = None
    ) -> tuple[int, bytes]:
        """Send something straight to it, as only the API server should."""
        request = urllib.request.Request(
            f"{self.url}{path}",
            data=body,
            headers={"Content-Type": "application/json", **(headers or {})},
        )
        try:
            with urllib.request.urlopen(request, timeout=20, context=_trusting()) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read()


def register(cluster: LocalCluster, webhook: WebhookProcess, *, authorizer: bool = False) -> None:
    """Have the API server ask this process from now on; it fills in its CA by itself."""
    selector = {"matchExpressions": [{"key": BYPASS, "operator": "DoesNotExist"}]}
    wanted = configurations(by_url(webhook.url), authorizer=authorizer, namespace_selector=selector)
    cluster.kubectl(
        "apply", "--server-side", "--force-conflicts", "-f", "-", stdin=yaml.safe_dump_all(wanted)
    )
    deadline = time.monotonic() + _PATIENCE
    while not all(map(_has_authority, registered(cluster))):
        assert time.monotonic() < deadline, f"no CA was filled in:\n{webhook.tail()}"
        time.sleep(_GLANCE)


def registered(cluster: LocalCluster) -> list[dict[str, Any]]:
    """All webhook configurations as they are."""
    kinds = "mutatingwebhookconfigurations,validatingwebhookconfigurations"
    found: list[dict[str, Any]] = json.loads(cluster.kubectl("get", kinds, "-o", "json"))["items"]
    return found


def _has_authority(configuration: dict[str, Any]) -> bool:
    return all(webhook["clientConfig"].get("caBundle") for webhook in configuration["webhooks"])


def unregister(cluster: LocalCluster) -> None:
    for kind in ("mutatingwebhookconfigurations", "validatingwebhookconfigurations"):
        cluster.kubectl("delete", kind, "--all", "--wait=true")


def a_review(body: Any, operation: str = "CREATE", old: Any = None) -> bytes:
    """An AdmissionReview of a PodCliqueSet."""
    request = {
        "uid": "a-review",
        "operation": operation,
        "resource": {"group": "grove.io", "version": "v1alpha1", "resource": "podcliquesets"},
        "userInfo": {"username": "somebody"},
        "object": body,
        "oldObject": old,
    }
    review = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}
    return json.dumps(review).encode()


def _trusting() -> ssl.SSLContext:
    """For tests that look at answers; that certificates can be trusted is tested by itself."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
