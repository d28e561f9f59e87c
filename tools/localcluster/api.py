"""The few requests that the tools themselves make to an API server, on the standard library.

Starting a cluster must not wait for heavy imports, so no Kubernetes client here. One connection
per object; not for use by several threads at once.
"""

import base64
import http.client
import json
import ssl
import tempfile
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

import yaml


class ApiRefusalError(Exception):
    def __init__(self, status: int, body: str) -> None:
        self.status = status
        super().__init__(f"HTTP {status}: {body[:500]}")


class ApiClient:
    """JSON requests over one kept connection, with the identity of a kubeconfig."""

    def __init__(self, kubeconfig: Path) -> None:
        self._server, self._context = read_kubeconfig(kubeconfig)
        self._connection = self._connect()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def request(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        try:
            self._connection.request(method, path, data, {"Content-Type": "application/json"})
            response = self._connection.getresponse()
            text = response.read()
        except (http.client.HTTPException, OSError):
            # A broken connection cannot be used again, whatever the caller does next.
            self._connection.close()
            raise
        if response.status >= http.HTTPStatus.BAD_REQUEST:
            raise ApiRefusalError(response.status, text.decode(errors="replace"))
        is_json = (response.getheader("Content-Type") or "").startswith("application/json")
        return json.loads(text) if is_json else text.decode()

    def _connect(self) -> http.client.HTTPConnection:
        parts = urlsplit(self._server)
        host, port = parts.hostname or "", parts.port
        if parts.scheme == "http":
            return http.client.HTTPConnection(host, port, timeout=10)
        return http.client.HTTPSConnection(host, port, timeout=10, context=self._context)


def read_kubeconfig(path: Path) -> tuple[str, ssl.SSLContext]:
    """Server address and TLS context of the current context; certificates inline or as files."""
    config = yaml.safe_load(path.read_text())
    context = _named(config["contexts"], config["current-context"])["context"]
    cluster = _named(config["clusters"], context["cluster"])["cluster"]
    user = _named(config["users"], context["user"])["user"]
    tls = ssl.create_default_context()
    if authority := _material(cluster, "certificate-authority"):
        tls.load_verify_locations(cadata=authority.decode())
    certificate, key = _material(user, "client-certificate"), _material(user, "client-key")
    if certificate and key:
        # The ssl module reads key pairs from files only.
        with tempfile.NamedTemporaryFile(suffix=".pem") as pair:
            pair.write(certificate + b"\n" + key)
            pair.flush()
            tls.load_cert_chain(pair.name)
    return cluster["server"], tls


def standalone_kubeconfig(path: Path) -> dict[str, Any]:
    """The same kubeconfig with every certificate inside, so that the file can be moved."""
    config: dict[str, Any] = yaml.safe_load(path.read_text())
    for cluster in config["clusters"]:
        _inline(cluster["cluster"], "certificate-authority")
    for user in config["users"]:
        _inline(user["user"], "client-certificate")
        _inline(user["user"], "client-key")
    return config


def _inline(section: dict[str, Any], name: str) -> None:
    if material := _material(section, name):
        section.pop(name, None)
        section[f"{name}-data"] = base64.b64encode(material).decode()


def _material(section: dict[str, Any], name: str) -> bytes:
    if inline := section.get(f"{name}-data"):
        return base64.b64decode(inline)
    return Path(file).read_bytes() if (file := section.get(name)) else b""


def _named(entries: list[dict[str, Any]], name: str) -> dict[str, Any]:
    return next(entry for entry in entries if entry["name"] == name)
