"""Processes with exactly the rights that the operator prints, and a ledger of what they ask for.

    with LocalCluster.create(name, folder, under_audit()) as cluster:
        with ledger.watching(cluster) as kubeconfig, OperatorProcess(kubeconfig, folder):
            ...

The judge is the API server's audit log: it holds every request of the two accounts, with the
authorizer's verdict.
"""

import contextlib
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import msgspec
import yaml
from typer.testing import CliRunner

from grove_operator.__main__ import app
from grove_operator.api.rights import Condition
from tools.localcluster import ClusterError, ClusterOptions, LocalCluster

NAMESPACE: Final = "grove-system"
ACCOUNT: Final = "grove-operator"
WEBHOOK_ACCOUNT: Final = "grove-webhook"
USER: Final = f"system:serviceaccount:{NAMESPACE}:{ACCOUNT}"
WEBHOOK_USER: Final = f"system:serviceaccount:{NAMESPACE}:{WEBHOOK_ACCOUNT}"
CONDITIONS: Final = tuple(what for what in Condition if what is not Condition.ALWAYS)
"""Everything is switched on."""
_PATIENCE: Final = 20.0
_STRICTER: Final = {
    "kube-apiserver": {"enable-admission-plugins": "OwnerReferencesPermissionEnforcement"}
}
"""As on OpenShift."""

Use = tuple[str, str, str]
"""Verb, group and resource (`podcliques/status`)."""


def under_audit(*, strict: bool = False, **others: Any) -> ClusterOptions:
    """Options of a cluster that notes what our accounts ask for; `strict` with more admission."""
    extra: Mapping[str, Mapping[str, str]] = _STRICTER if strict else {}
    return ClusterOptions(audited_users=(USER, WEBHOOK_USER), extra_args=extra, **others)


def operator_kubeconfig(cluster: LocalCluster) -> Path:
    """Give the operator its account and rights, once; the kubeconfig acts as that account."""
    return _kubeconfig(cluster, ACCOUNT)


def webhook_kubeconfig(cluster: LocalCluster) -> Path:
    """The same for the webhook process, which has an account of its own here."""
    return _kubeconfig(cluster, WEBHOOK_ACCOUNT)


def _kubeconfig(cluster: LocalCluster, account: str) -> Path:
    path = cluster.kubeconfig.with_name(f"{account}-kubeconfig")
    if not path.exists():
        cluster.kubectl("apply", "-f", "-", stdin=_manifests())
        _wait_until_granted(cluster)
        token = cluster.kubectl(
            "create", "token", account, "--namespace", NAMESPACE, "--duration", "24h"
        )
        path.write_text(yaml.safe_dump(_as_account(cluster.kubeconfig, token.strip())))
    return path


def printed_rbac(*more: str) -> str:
    """What `grove-operator rbac` says to a user who runs operator and webhook apart."""
    arguments = ["rbac", "--namespace", NAMESPACE, "--service-account", ACCOUNT]
    arguments += ["--webhook-service-account", WEBHOOK_ACCOUNT, *more]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    return done.stdout


def _manifests() -> str:
    metadata = {"namespace": NAMESPACE}
    accounts = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}},
        *(
            {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata | {"name": name}}
            for name in (ACCOUNT, WEBHOOK_ACCOUNT)
        ),
    ]
    switched_on = [word for what in CONDITIONS for word in ("--with", str(what))]
    return yaml.safe_dump_all(accounts) + printed_rbac(*switched_on)


def _wait_until_granted(cluster: LocalCluster) -> None:
    """Until the authorizer has seen the bindings, which its own watches tell it of."""
    own = ("-n", NAMESPACE)
    asked = (
        (USER, "list", "pods", "-A"),
        (USER, "create", "leases", *own),
        (WEBHOOK_USER, "create", "pods", "-A"),
        (WEBHOOK_USER, "create", "secrets", *own),
    )
    deadline = time.monotonic() + _PATIENCE
    for user, *question in asked:
        while True:
            with contextlib.suppress(ClusterError):
                cluster.kubectl("auth", "can-i", *question, "--as", user)
                break
            assert time.monotonic() < deadline, f"{user} may not {' '.join(question)}"


def _as_account(admin: Path, token: str) -> dict[str, Any]:
    config: dict[str, Any] = yaml.safe_load(admin.read_text())
    for user in config["users"]:
        user["user"] = {"token": token}
    for context in config["contexts"]:
        context["context"]["namespace"] = NAMESPACE
    return config


class _Reference(msgspec.Struct, rename={"group": "apiGroup"}):
    resource: str = ""
    subresource: str = ""
    group: str = ""


class _User(msgspec.Struct):
    username: str = ""


class _Entry(msgspec.Struct, rename="camel"):
    verb: str = ""
    user: _User = msgspec.field(default_factory=_User)
    request_uri: str = msgspec.field(default="", name="requestURI")
    object_ref: _Reference | None = None
    annotations: dict[str, str] = {}
    received: datetime | None = msgspec.field(default=None, name="requestReceivedTimestamp")


_entry: Final = msgspec.json.Decoder(_Entry).decode


@dataclass
class Ledger:
    """What our accounts asked for, in all clusters of a test session."""

    used: dict[str, Counter[Use]] = field(
        default_factory=lambda: {USER: Counter(), WEBHOOK_USER: Counter()}
    )
    """By user."""
    forbidden: list[str] = field(default_factory=list)
    _starts: list[tuple[datetime, datetime]] = field(default_factory=list)

    @contextlib.contextmanager
    def watching(self, cluster: LocalCluster) -> Iterator[Path]:
        """Give the operator's kubeconfig, and read the log at the end, before it is removed."""
        yield operator_kubeconfig(cluster)
        self.read(cluster.audit_log)

    @contextlib.contextmanager
    def starting(self) -> Iterator[None]:
        """While an API server starts, until it is ready.

        Before its caches are filled it knows no bindings and refuses everything, so refusals of
        requests that came then mean nothing.
        """
        begin = datetime.now(UTC)
        try:
            yield
        finally:
            self._starts.append((begin, datetime.now(UTC)))

    def read(self, log: Path) -> None:
        """Add a cluster's audit log, with its earlier parts if it was rotated."""
        for part in sorted(log.parent.glob(f"{log.stem}*{log.suffix}")):
            with part.open("rb") as lines:
                for line in lines:
                    self._add(line)

    def _add(self, line: bytes) -> None:
        try:
            entry = _entry(line)
        except msgspec.DecodeError:
            return  # cut off when a test killed the API server
        user = entry.user.username
        if user not in self.used:
            return
        forbidden = entry.annotations.get("authorization.k8s.io/decision") == "forbid"
        if forbidden and not self._came_too_early(entry.received):
            reason = entry.annotations.get("authorization.k8s.io/reason", "")
            self.forbidden.append(f"{user}: {entry.verb} {entry.request_uri} {reason}")
        if (reference := entry.object_ref) is not None:
            parts = filter(None, (reference.resource, reference.subresource))
            self.used[user][entry.verb, reference.group, "/".join(parts)] += 1

    def _came_too_early(self, received: datetime | None) -> bool:
        return received is not None and any(begin <= received <= end for begin, end in self._starts)
