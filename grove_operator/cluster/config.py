"""How to reach the cluster: addresses, certificates and tokens, as kubernetes.aio loads them.

Owns the choice between the pod's service account and a kubeconfig, and keeps tokens fresh. Refuses
to send requests: that is `connection.py`. Proxy variables of the environment are not read, a
`proxy-url` in the kubeconfig is.
"""

import logging
import os
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml
from kubernetes.aio.client import Configuration
from kubernetes.aio.client.rest import RESTClientObject
from kubernetes.aio.config import ConfigException, load_incluster_config, load_kube_config

from grove_operator.errors import SettingsError

_LOG = logging.getLogger(__name__)
_SERVICE_ACCOUNT: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_TOKEN_CHECK: Final = 10.0
"""Seconds for which a token is used without asking kubernetes.aio whether it must be renewed."""


@dataclass(frozen=True, slots=True)
class ClientOptions:
    """What the client may do. `qps` None means: no limit of our own, the API server has its."""

    kubeconfig: str | None = None
    context: str | None = None
    max_in_flight: int = 64
    qps: float | None = None
    burst: int | None = None
    timeout: float = 30.0
    tries: int = 4
    retry_budget: float = 10.0


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Address and certificates, for those who bring a client of their own (Kopf)."""

    host: str
    ca_path: str | None
    certificate_path: str | None
    key_path: str | None
    verify: bool
    proxy: str | None
    server_name: str | None


class Credentials:
    """The loaded configuration, and an `authorization` header that stays valid."""

    def __init__(
        self,
        options: ClientOptions,
        environ: Mapping[str, str] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._options = options
        self._environ = os.environ if environ is None else environ
        self._clock = clock
        self._configuration: Any = Configuration()
        self._loader: Any = None
        self._header: str | None = None
        self._checked = 0.0

    @classmethod
    async def load(
        cls, options: ClientOptions, environ: Mapping[str, str] | None = None
    ) -> "Credentials":
        credentials = cls(options, environ)
        await credentials.reload()
        return credentials

    async def reload(self) -> None:
        """Read everything again; called at start and when the API server says 401."""
        path = kubeconfig_path(self._options, self._environ)
        try:
            if path is None:
                load_incluster_config(client_configuration=self._configuration)
            else:
                self._loader = await load_kube_config(
                    config_file=path,
                    context=self._options.context,
                    client_configuration=self._configuration,
                    persist_config=False,
                )
        except (ConfigException, OSError, AttributeError, TypeError, yaml.YAMLError) as error:
            # The loader trips over an empty or malformed file with Attribute- and TypeErrors.
            source = path or "the pod's service account"
            why = " ".join(str(error).split())
            raise SettingsError(
                f"kubeconfig: {source} cannot be used ({why}); pass --kubeconfig, set KUBECONFIG "
                "or run inside the cluster with a mounted service account token"
            ) from error
        self._header = await self._read_header()
        self._checked = self._clock()

    async def header(self) -> str | None:
        """Give the `authorization` header, renewed when its source says so."""
        now = self._clock()
        if now - self._checked >= _TOKEN_CHECK:
            self._checked = now
            if hasattr(self._loader, "exec_plugin_expiry"):
                # A no-op until shortly before expiry; a failing plugin keeps the old token.
                await self._loader.load_from_exec_plugin()
                self._configuration.api_key["BearerToken"] = self._loader.token
            self._header = await self._read_header()
        return self._header

    def endpoint(self) -> Endpoint:
        conf = self._configuration
        return Endpoint(
            host=conf.host,
            ca_path=conf.ssl_ca_cert,
            certificate_path=conf.cert_file,
            key_path=conf.key_file,
            verify=conf.verify_ssl,
            proxy=conf.proxy,
            server_name=conf.tls_server_name,
        )

    def ssl_context(self) -> ssl.SSLContext:
        """Build the TLS context exactly as kubernetes.aio's own client would."""
        context: ssl.SSLContext = RESTClientObject(self._configuration).ssl_context
        return context

    async def _read_header(self) -> str | None:
        value: str | None = await self._configuration.get_api_key_with_prefix("BearerToken")
        return value.strip() if value else None


def kubeconfig_path(options: ClientOptions, environ: Mapping[str, str]) -> str | None:
    """Choose the kubeconfig: the option, then KUBECONFIG, then the pod's account (None)."""
    if options.kubeconfig:
        return options.kubeconfig
    if environ.get("KUBECONFIG"):
        return environ["KUBECONFIG"]
    if environ.get("KUBERNETES_SERVICE_HOST"):
        return None
    return str(Path.home() / ".kube" / "config")


def own_namespace(
    options: ClientOptions,
    environ: Mapping[str, str] | None = None,
    account: Path = _SERVICE_ACCOUNT,
) -> str:
    """Find the namespace that this process belongs to.

    The service account's namespace file wins, then the kubeconfig's context, then `default`.
    """
    path = kubeconfig_path(options, os.environ if environ is None else environ)
    if path is None:
        try:
            return (account / "namespace").read_text(encoding="utf-8").strip() or "default"
        except OSError:
            return "default"
    try:
        content = yaml.safe_load(Path(path.split(os.pathsep)[0]).read_text(encoding="utf-8"))
        wanted = options.context or content["current-context"]
        found = next(entry for entry in content["contexts"] if entry["name"] == wanted)
        return str(found["context"].get("namespace") or "default")
    except (OSError, KeyError, TypeError, StopIteration, yaml.YAMLError) as error:
        _LOG.debug("no namespace in the kubeconfig", extra={"error": str(error)})
        return "default"
