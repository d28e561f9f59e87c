"""The operator's own configuration: Grove's OperatorConfiguration file, then the environment.

Owns every key, its default and its check. Keys of Grove keep Grove's names and defaults, except
that there is no client-side rate limit unless one is asked for. Read once at start by the command
line; frozen from then on. Wrong values raise SettingsError with the key as written in the file.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    ValidationError,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)
from typing_extensions import override

from grove_operator.api.durations import parse_duration
from grove_operator.api.rights import CERTIFICATE, LEASE
from grove_operator.errors import SettingsError
from grove_operator.settings_file import explain, file_key, known_values, read_file

ENV_PREFIX: Final = "GROVE_"
ENV_DELIMITER: Final = "__"

SchedulerName = Literal["default-scheduler", "kai-scheduler", "volcano", "lpx-scheduler"]


def _seconds(value: object) -> object:
    """Read a duration in Go's form. A float is seconds already, as our own code passes them."""
    if isinstance(value, float):
        return value
    if not isinstance(value, str):
        raise ValueError("write a duration as text with a unit, for example 15s or 1m30s")  # noqa: TRY004
    return parse_duration(value).seconds


Seconds = Annotated[float, BeforeValidator(_seconds), Field(gt=0)]
SecondsOrZero = Annotated[float, BeforeValidator(_seconds), Field(ge=0)]
Port = Annotated[int, Field(ge=0, le=65535)]
Count = Annotated[int, Field(gt=0)]


@dataclass(frozen=True, slots=True)
class NoEffect:
    """Marks a key of Grove that is read and checked, but that nothing here depends on."""

    why: str


_JSON_ONLY: Final = NoEffect("JSON is the only form that is spoken")
_NO_PROFILER: Final = NoEffect("there is no profiler to serve")
_ONE_QUEUE: Final = NoEffect(
    "all kinds share one queue; runtimeClientConnection.maxInFlight says how many keys are in work"
)


class _Section(BaseModel):
    """The text below each key is what docs/settings.md says of it."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class ClientConnection(_Section):
    qps: float | None = None
    """Our own limit of requests in a second, if set; the API server limits anyway."""
    burst: Annotated[int, Field(ge=0)] | None = None
    """How many requests may exceed `qps` for a moment."""
    content_type: Annotated[str, _JSON_ONLY] = ""
    accept_content_types: Annotated[str, _JSON_ONLY] = ""
    max_in_flight: Count = 64
    """Requests that may be under way at once, and keys that are in work at once."""
    request_timeout: Seconds = 30.0
    """After this time without an answer a request has failed."""


class LeaderElection(_Section):
    enabled: bool = False
    """May be off for a single replica only."""
    lease_duration: SecondsOrZero = 15.0
    """How long a lease counts that nobody renews."""
    renew_deadline: SecondsOrZero = 10.0
    """A leader that could not renew its lease for so long ends."""
    retry_period: SecondsOrZero = 2.0
    """How often the lease is renewed, and tried for."""
    resource_lock: str = "leases"
    """Nothing else is supported."""
    resource_name: str = LEASE
    """Name of the Lease."""
    resource_namespace: str = ""
    """Namespace of the Lease; empty means that of the pod, or of the kubeconfig."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not self.enabled:
            return self
        if not 0 < self.retry_period < self.renew_deadline < self.lease_duration:
            raise ValueError(
                "retryPeriod must be above 0, renewDeadline above retryPeriod and "
                "leaseDuration above renewDeadline"
            )
        if self.resource_lock != "leases":
            raise ValueError("resourceLock must be leases, nothing else is supported")
        if not self.resource_name:
            raise ValueError("resourceName must not be empty")
        return self


class WebhookServer(_Section):
    bind_address: str = ""
    """Empty means all addresses."""
    port: Port = 2750
    """Of the HTTPS server."""
    server_cert_dir: str = "/etc/grove-operator/webhook-certs"
    """Where `manual` finds `tls.crt` and `tls.key`."""
    secret_name: str = CERTIFICATE
    """The Secret in which `auto` keeps certificate and authority."""
    cert_provision_mode: Literal["auto", "manual"] = "auto"
    """`auto` keeps certificates in the Secret and renews them; `manual` reads files."""
    service_name: str = "grove-operator"
    """The Service for which `auto` makes certificates."""
    extra_names: tuple[str, ...] = ()
    """DNS names and addresses in the certificate beside the Service's, for access by URL."""
    leaf_lifetime: Seconds = 365 * 86400.0
    """Of a certificate that `auto` makes."""
    ca_lifetime: Seconds = 3650 * 86400.0
    """Of its authority; at least four times as long."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not self.secret_name:
            raise ValueError("secretName must not be empty")
        if not self.service_name:
            raise ValueError("serviceName must not be empty")
        # Of an authority that is due for renewal a third is left; a leaf must fit in there.
        if self.ca_lifetime < 4 * self.leaf_lifetime:
            raise ValueError("caLifetime must be at least four times leafLifetime")
        for name in self.extra_names:
            if not name or not name.isascii() or any(char.isspace() for char in name):
                raise ValueError(f"extraNames: {name!r} is neither a DNS name nor an address")
        return self


class ProbeServer(_Section):
    bind_address: str = ""
    """Empty means all addresses."""
    port: Port = 2751
    """Of `/healthz` and `/readyz`."""
    stuck_after: Seconds = 600.0
    """A reconcile that runs longer makes the process unhealthy."""


class MetricsServer(_Section):
    bind_address: str = ""
    """Empty means all addresses."""
    port: Port = 2752
    """Of `/metrics`."""


class Server(_Section):
    webhooks: WebhookServer = WebhookServer()
    health_probes: ProbeServer = ProbeServer()
    metrics: MetricsServer = MetricsServer()


class Debugging(_Section):
    enable_profiling: Annotated[bool | None, _NO_PROFILER] = None
    pprof_bind_host: Annotated[str, _NO_PROFILER] = "127.0.0.1"
    pprof_bind_port: Annotated[Port, _NO_PROFILER] = 2753


class Controller(_Section):
    concurrent_syncs: Annotated[Count, _ONE_QUEUE] = 10


class Controllers(_Section):
    pod_clique_set: Controller = Controller(concurrent_syncs=10)
    pod_clique: Controller = Controller(concurrent_syncs=10)
    pod_clique_scaling_group: Controller = Controller(concurrent_syncs=5)
    pod_gang: Controller = Controller(concurrent_syncs=5)


class Authorizer(_Section):
    enabled: bool = False
    """Whether only the operator may change what it has made."""
    exempt_service_account_user_names: tuple[str, ...] = ()
    """User names that may do so, too."""


class TopologyAwareScheduling(_Section):
    enabled: bool = False
    """Whether topology constraints may be used."""
    affinity: bool = True
    """Whether pod affinity stands in for levels that the stock scheduler cannot hold."""


class Network(_Section):
    auto_mnnvl_enabled: bool = False
    """Whether multi-node NVLink groups may be used."""


class SchedulerProfile(_Section):
    name: SchedulerName
    """A scheduler that sets may name."""
    config: dict[str, Any] = Field(default_factory=dict)
    """Read for kai-scheduler only: `podGroups` says who makes KAI's PodGroups, `Operator` (the
    default) or `PodGrouper`."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        maker = self.config.get("podGroups", "Operator")
        if self.name == "kai-scheduler" and maker not in ("Operator", "PodGrouper"):
            raise ValueError(f"config.podGroups must be Operator or PodGrouper (is {maker!r})")
        return self


class Scheduler(_Section):
    profiles: tuple[SchedulerProfile, ...] = ()
    """Which schedulers sets may name. default-scheduler is among them in any case."""
    default_profile_name: str = ""
    """For pods that name none; default-scheduler unless another is named here."""

    @model_validator(mode="before")
    @classmethod
    def _complete(cls, values: Any) -> Any:  # a raw mapping, not yet checked
        if not isinstance(values, Mapping):
            return values
        profiles = values.get("profiles") or []
        default = values.get("default_profile_name") if profiles else ""
        if isinstance(profiles, list | tuple):
            names = {entry.get("name") for entry in profiles if isinstance(entry, Mapping)}
            if "default-scheduler" not in names:
                profiles = [*profiles, {"name": "default-scheduler"}]
        return {
            **values,
            "profiles": profiles,
            "default_profile_name": default or "default-scheduler",
        }

    @property
    def pod_grouper(self) -> bool:
        """Whether KAI's pod grouper makes its PodGroups, as KAI before 0.15 needs it."""
        return any(
            profile.name == "kai-scheduler" and profile.config.get("podGroups") == "PodGrouper"
            for profile in self.profiles
        )

    @model_validator(mode="after")
    def _check(self) -> Self:
        names = [profile.name for profile in self.profiles]
        if len(set(names)) != len(names):
            raise ValueError("profiles must not name a scheduler twice")
        if self.default_profile_name not in names:
            raise ValueError(f"defaultProfileName must be one of the profiles {sorted(names)}")
        return self


class Cache(_Section):
    relist_interval: Seconds = 600.0
    """How often everything is listed anew, in case that an event was lost."""
    inactivity_timeout: Seconds = 90.0
    """A watch that is silent for so long is begun anew."""
    page_size: Count = 500
    """Objects in one answer to a list."""


class StatusWrites(_Section):
    """A burst of events becomes one pass."""

    quiet_period: SecondsOrZero = 0.25
    """Statuses are written when nothing has happened for so long."""
    max_delay: SecondsOrZero = 1.0
    """But they are written no later than this."""


class Shutdown(_Section):
    grace_period: SecondsOrZero = 15.0
    """Time in which the parts of a process must have ended."""
    linger: SecondsOrZero = 5.0
    """How long the webhook goes on answering, until Services have taken it out."""


class Settings(BaseSettings):
    """Everything that can be configured. Made by `load_settings`; tests may construct it."""

    model_config = SettingsConfigDict(
        frozen=True,
        extra="forbid",
        env_prefix=ENV_PREFIX,
        env_nested_delimiter=ENV_DELIMITER,
        use_attribute_docstrings=True,
    )

    runtime_client_connection: ClientConnection = ClientConnection()
    leader_election: LeaderElection = LeaderElection()
    server: Server = Server()
    debugging: Debugging | None = None
    controllers: Controllers = Controllers()
    log_level: Literal["debug", "info", "error"] = "info"
    """From which level on lines are logged."""
    log_format: Literal["json", "text"] = "json"
    """For programs, or for people."""
    authorizer: Authorizer = Authorizer()
    topology_aware_scheduling: TopologyAwareScheduling = TopologyAwareScheduling()
    network: Network = Network()
    scheduler: Scheduler = Scheduler.model_validate({})
    cache: Cache = Cache()
    status: StatusWrites = StatusWrites()
    shutdown: Shutdown = Shutdown()
    init_container_image: str = ""
    """What pods with a startup order wait in; the operator's version is its tag unless it has one.
    Without it such pods are not made."""
    operator_service_account_name: str = ""
    """The operator's own account, which the authorizer must know."""
    _unknown_keys: tuple[str, ...] = PrivateAttr(default=())

    @property
    def unknown_keys(self) -> tuple[str, ...]:
        """Keys of the file that mean nothing here. Grove ignores them; we say so once."""
        return self._unknown_keys

    @property
    def idle_keys(self) -> dict[str, str]:
        """Keys that were given though nothing depends on them, and why."""
        return dict(_idle(self, ""))

    @override
    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only what is passed in counts: `load_settings` reads the environment it was given."""
        del settings_cls, env_settings, dotenv_settings, file_secret_settings
        return (init_settings,)


def load_settings(path: Path | None, env: Mapping[str, str]) -> Settings:
    """Read the file if there is one, put the environment on top, check everything."""
    unknown: list[str] = []
    values = known_values(Settings, read_file(path), "", unknown) if path else {}
    source = EnvSettingsSource(Settings)
    source.env_vars = {name.lower(): value for name, value in env.items()}
    try:
        settings = Settings.model_validate(_merge(values, source()))
    except ValidationError as error:
        raise SettingsError(explain(error)) from error
    except ValueError as error:  # a list in the environment that is not JSON
        raise SettingsError(f"environment: {error}; write lists and objects as JSON") from error
    settings._unknown_keys = tuple(unknown)  # noqa: SLF001 - our own model, right after its making
    return settings


def _idle(model: BaseModel, prefix: str) -> Iterator[tuple[str, str]]:
    for name, field in type(model).model_fields.items():
        if name not in model.model_fields_set:
            continue
        key, value = f"{prefix}{file_key(name)}", getattr(model, name)
        for mark in field.metadata:
            if isinstance(mark, NoEffect):
                yield key, mark.why
        if isinstance(value, BaseModel):
            yield from _idle(value, f"{key}.")


def _merge(lower: dict[str, Any], upper: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(lower)
    for key, value in upper.items():
        under = merged.get(key)
        merged[key] = (
            _merge(under, value) if isinstance(under, dict) and isinstance(value, dict) else value
        )
    return merged
