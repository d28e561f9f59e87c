"""The API server that a kubeconfig names, and what proves to it who we are."""

import base64
import ssl
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import yaml
from yarl import URL


@dataclass(frozen=True)
class Upstream:
    """Where the API server is and how to prove who we are."""

    server: URL
    authority: bytes | None = None
    certificate: bytes | None = None
    key: bytes | None = None
    token: str | None = None

    @classmethod
    def read(cls, kubeconfig: Path) -> Self:
        document = yaml.safe_load(kubeconfig.read_text())
        context = _named(document, "contexts", document["current-context"])["context"]
        cluster = _named(document, "clusters", context["cluster"])["cluster"]
        user = _named(document, "users", context["user"])["user"] if context.get("user") else {}
        return cls(
            server=URL(cluster["server"]),
            authority=_material(cluster, "certificate-authority", kubeconfig.parent),
            certificate=_material(user, "client-certificate", kubeconfig.parent),
            key=_material(user, "client-key", kubeconfig.parent),
            token=user.get("token"),
        )

    def client_context(self) -> ssl.SSLContext | bool:
        if self.server.scheme != "https":
            return True
        context = ssl.create_default_context(
            cadata=self.authority.decode() if self.authority else None
        )
        if self.certificate and self.key:
            load_pair(context, self.certificate, self.key)
        return context


def _named(document: dict[str, Any], listing: str, name: str) -> dict[str, Any]:
    return next(entry for entry in document[listing] if entry["name"] == name)


def _material(entry: dict[str, Any], name: str, folder: Path) -> bytes | None:
    if inline := entry.get(f"{name}-data"):
        return base64.b64decode(str(inline))
    if path := entry.get(name):
        return (folder / str(path)).read_bytes()
    return None


def load_pair(context: ssl.SSLContext, certificate: bytes, key: bytes) -> None:
    """Python loads certificates from files only."""
    with tempfile.NamedTemporaryFile(suffix=".pem") as pair:
        pair.write(certificate + b"\n" + key)
        pair.flush()
        context.load_cert_chain(pair.name)
