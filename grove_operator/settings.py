"""The operator's own configuration: Grove's OperatorConfiguration file, then the environment.

Owns every key, its default and its check. Keys of Grove keep Grove's names and defaults, except
that there is no client-side rate limit unless one is asked for. Read once at start by the command
line; frozen from then on. Wrong values raise SettingsError with the key as written in the file.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self, get_args

import yaml
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    ValidationError,
    model_validator,
)
from pydantic.alias_generators import to_camel
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

API_VERSION: Final = "operator.config.grove.io/v1alpha1"
KIND: Final = "OperatorConfiguration"
_ENV_PREFIX: Final = "GROVE_"
_ODD_NAMES: Final = {"auto_mnnvl_enabled": "autoMNNVLEnabled"}
"""Keys of the file that are not simply the camel case of our names."""

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


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ClientConnection(_Section):
    """`qps` and `burst` limit our own requests only if set; the API server limits anyway."""

    qps: float | None = None
    burst: Annotated[int, Field(ge=0)] | None = None
    content_type: str = ""  # read and ignored: JSON is the only form we speak
    accept_content_types: str = ""
    max_in_flight: Count = 64
    request_timeout: Seconds = 30.0


class LeaderElection(_Section):
    enabled: bool = False
    lease_duration: SecondsOrZero = 15.0
    renew_deadline: SecondsOrZero = 10.0
    retry_period: SecondsOrZero = 2.0
    resource_lock: str = "leases"
    resource_name: str = LEASE
    resource_namespace: str = ""

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
    """`auto` keeps certificates in the Secret and renews them; `manual` reads files."""

    bind_address: str = ""
    port: Port = 2750
    server_cert_dir: str = "/etc/grove-operator/webhook-certs"
    secret_name: str = CERTIFICATE
    cert_provision_mode: Literal["auto", "manual"] = "auto"
    service_name: str = "grove-operator"
    extra_names: tuple[str, ...] = ()
    """DNS names and addresses in the certificate beside the Service's, for access by URL."""
    leaf_lifetime: Seconds = 365 * 86400.0
    ca_lifetime: Seconds = 3650 * 86400.0

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
    port: Port = 2751
    stuck_after: Seconds = 600.0
    """A reconcile that runs longer makes the process unhealthy."""


class MetricsServer(_Section):
    bind_address: str = ""
    port: Port = 2752


class Server(_Section):
    webhooks: WebhookServer = WebhookServer()
    health_probes: ProbeServer = ProbeServer()
    metrics: MetricsServer = MetricsServer()


class Debugging(_Section):
    enable_profiling: bool | None = None
    pprof_bind_host: str = "127.0.0.1"
    pprof_bind_port: Port = 2753


class Controller(_Section):
    concurrent_syncs: Count = 10


class Controllers(_Section):
    pod_clique_set: Controller = Controller(concurrent_syncs=10)
    pod_clique: Controller = Controller(concurrent_syncs=10)
    pod_clique_scaling_group: Controller = Controller(concurrent_syncs=5)
    pod_gang: Controller = Controller(concurrent_syncs=5)


class Authorizer(_Section):
    enabled: bool = False
    exempt_service_account_user_names: tuple[str, ...] = ()


class TopologyAwareScheduling(_Section):
    """`affinity`: pod affinity stands in for levels that the stock scheduler cannot hold."""

    enabled: bool = False
    affinity: bool = True


class Network(_Section):
    auto_mnnvl_enabled: bool = False


class SchedulerProfile(_Section):
    """`config` is read for kai-scheduler only: podGroups says who makes KAI's PodGroups."""

    name: SchedulerName
    config: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _check(self) -> Self:
        maker = self.config.get("podGroups", "Operator")
        if self.name == "kai-scheduler" and maker not in ("Operator", "PodGrouper"):
            raise ValueError(f"config.podGroups must be Operator or PodGrouper (is {maker!r})")
        return self


class Scheduler(_Section):
    """Never without default-scheduler: it is appended, and the default unless another is named."""

    profiles: tuple[SchedulerProfile, ...] = ()
    default_profile_name: str = ""

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
    inactivity_timeout: Seconds = 90.0
    page_size: Count = 500


class StatusWrites(_Section):
    """A burst of events becomes one pass: wait for quiet, but never longer than the delay."""

    quiet_period: SecondsOrZero = 0.25
    max_delay: SecondsOrZero = 1.0


class Shutdown(_Section):
    """`linger` is for the webhook: it goes on answering until Services have taken it out."""

    grace_period: SecondsOrZero = 15.0
    linger: SecondsOrZero = 5.0


class Settings(BaseSettings):
    """Everything that can be configured. Made by `load_settings`; tests may construct it."""

    model_config = SettingsConfigDict(
        frozen=True, extra="forbid", env_prefix=_ENV_PREFIX, env_nested_delimiter="__"
    )

    runtime_client_connection: ClientConnection = ClientConnection()
    leader_election: LeaderElection = LeaderElection()
    server: Server = Server()
    debugging: Debugging | None = None
    controllers: Controllers = Controllers()
    log_level: Literal["debug", "info", "error"] = "info"
    log_format: Literal["json", "text"] = "json"
    authorizer: Authorizer = Authorizer()
    topology_aware_scheduling: TopologyAwareScheduling = TopologyAwareScheduling()
    network: Network = Network()
    scheduler: Scheduler = Scheduler.model_validate({})
    cache: Cache = Cache()
    status: StatusWrites = StatusWrites()
    shutdown: Shutdown = Shutdown()
    init_container_image: str = ""
    operator_service_account_name: str = ""
    _unknown_keys: tuple[str, ...] = PrivateAttr(default=())

    @property
    def unknown_keys(self) -> tuple[str, ...]:
        """Keys of the file that mean nothing here. Grove ignores them; we say so once."""
        return self._unknown_keys

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
    values = _known(Settings, _read_file(path), "", unknown) if path else {}
    source = EnvSettingsSource(Settings)
    source.env_vars = {name.lower(): value for name, value in env.items()}
    try:
        settings = Settings.model_validate(_merge(values, source()))
    except ValidationError as error:
        raise SettingsError(_explain(error)) from error
    except ValueError as error:  # a list in the environment that is not JSON
        raise SettingsError(f"environment: {error}; write lists and objects as JSON") from error
    settings._unknown_keys = tuple(unknown)  # noqa: SLF001 - our own model, right after its making
    return settings


def _read_file(path: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read: {error.strerror or error}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: is not YAML: {error}") from error
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise SettingsError(f"{path}: must hold one object with the keys of {KIND}")
    for key, expected in (("apiVersion", API_VERSION), ("kind", KIND)):
        if content.pop(key, expected) != expected:
            raise SettingsError(f"{path}: {key} must be {expected}")
    return content


def _known(
    model: type[BaseModel], content: dict[str, Any], prefix: str, unknown: list[str]
) -> dict[str, Any]:
    """Translate the file's keys into ours; null means absent, as in Go; strangers are noted."""
    fields = {file_key(name): (name, field) for name, field in model.model_fields.items()}
    values: dict[str, Any] = {}
    for key, value in content.items():
        if key not in fields:
            unknown.append(f"{prefix}{key}")
            continue
        name, field = fields[key]
        section = _section(field.annotation)
        if value is None:
            continue
        if section is not None and isinstance(value, dict):
            values[name] = _known(section, value, f"{prefix}{key}.", unknown)
        elif section is not None and isinstance(value, list):
            values[name] = [
                _known(section, entry, f"{prefix}{key}[{index}].", unknown)
                if isinstance(entry, dict)
                else entry
                for index, entry in enumerate(value)
            ]
        else:
            values[name] = value
    return values


def _section(annotation: Any) -> type[_Section] | None:
    """Find the model inside `Model`, `Model | None` and `tuple[Model, ...]`."""
    if isinstance(annotation, type) and issubclass(annotation, _Section):
        return annotation
    return next((found for arg in get_args(annotation) if (found := _section(arg))), None)


def file_key(name: str) -> str:
    """Give the key as it is written in the file."""
    return _ODD_NAMES.get(name, to_camel(name))


def _merge(lower: dict[str, Any], upper: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(lower)
    for key, value in upper.items():
        under = merged.get(key)
        merged[key] = (
            _merge(under, value) if isinstance(under, dict) and isinstance(value, dict) else value
        )
    return merged


def _explain(error: ValidationError) -> str:
    """One sentence per wrong key, named as in the file."""
    return "; ".join(f"{_where(problem['loc'])}: {_what(problem)}" for problem in error.errors())


def _where(location: tuple[int | str, ...]) -> str:
    path = ""
    for part in location:
        path += f"[{part}]" if isinstance(part, int) else f".{file_key(part)}"
    return path.removeprefix(".") or "configuration"


def _what(problem: Any) -> str:
    message: str = problem["msg"].removeprefix("Value error, ")
    message = message.replace("Input should be", "must be")
    return f"{message} (is {problem['input']!r})" if problem["type"] != "value_error" else message
