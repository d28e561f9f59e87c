"""Writes the generated parts of the Helm chart: what the code says, said in Helm's templates.

    python -m tools.chart            write them
    python -m tools.chart --check    only compare; exit 1 if they differ

Owns the form of roles, webhook configurations and CRDs in the chart, and the part of its values'
schema that describes the operator's configuration. Their content comes from the list of rights, the
one registration, the models and the settings. Everything else in the chart is written by hand.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import yaml
from pydantic import BaseModel, BeforeValidator, TypeAdapter
from pydantic.fields import FieldInfo

from grove_operator.api.rights import CERTIFICATE, LEASE, Condition, Holder, Right, Scope, rights_of
from grove_operator.api.schema import build_crds
from grove_operator.settings import Settings
from grove_operator.settings_file import file_key
from grove_operator.webhook.registration import Registration, configurations, registrations

Body = dict[str, Any]

CHART: Final = Path(__file__).resolve().parents[1] / "charts" / "grove-operator"
_HEADER: Final = "{{/* Made by `make chart`; do not edit. */}}\n"

CONDITIONS: Final = {
    Condition.AUTHORIZER: ".Values.config.authorizer.enabled",
    Condition.KAI: '(include "grove.hasKai" .)',
    Condition.VOLCANO: '(include "grove.hasVolcano" .)',
}
"""When each condition of the list of rights holds, in Helm's words."""

_RENAMED: Final = {
    LEASE: "{{ .Values.config.leaderElection.resourceName }}",
    CERTIFICATE: "{{ .Values.config.server.webhooks.secretName }}",
}
_ROLES: Final = (
    (Holder.OPERATOR, Scope.CLUSTER, "clusterRole", ""),
    (Holder.OPERATOR, Scope.OWN_NAMESPACE, "leaseRole", ""),
    (Holder.WEBHOOK, Scope.CLUSTER, "clusterRole", "-webhook"),
    (Holder.WEBHOOK, Scope.OWN_NAMESPACE, "clusterRole", "-webhook"),
    (Holder.INSTALLER, Scope.CLUSTER, "clusterRole", "-crds"),
)
"""Whose role it is, where it holds, which value names it, and what is added to the name."""

_CONFIGURATIONS: Final = {
    "podcliqueset-defaulting-webhook": "podCliqueSetDefaultingWebhook",
    "podcliqueset-validating-webhook": "podCliqueSetValidationWebhook",
    "clustertopology-validating-webhook": "clusterTopologyValidationWebhook",
    "authorizer-webhook": "authorizerWebhook",
}
"""The value with labels and annotations of each configuration."""

_FROM_CHART: Final = frozenset(
    {
        ("leaderElection", "resourceNamespace"),
        ("server", "webhooks", "serviceName"),
        ("initContainerImage",),
        ("operatorServiceAccountName",),
    }
)
"""Keys of the configuration that are no values: the chart or the environment gives them."""
_DURATION: Final = r"^([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h))+$|^0$"


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.chart", description=__doc__)
    parser.add_argument("--check", action="store_true", help="only compare")
    if parser.parse_args(argv).check:
        for path in differing():
            print(f"{path} is not what the code says: run `make chart`", file=sys.stderr)
        return 1 if differing() else 0
    wanted = build(CHART)
    for path in left_over(wanted):
        (CHART / path).unlink()
    for path, content in wanted.items():
        (CHART / path).parent.mkdir(parents=True, exist_ok=True)
        (CHART / path).write_text(content, encoding="utf-8")
    return 0


def differing(chart: Path = CHART) -> list[str]:
    """Generated files that are missing, left over or other than the code says."""
    wanted = build(chart)
    wrong = [
        path
        for path, content in wanted.items()
        if not (chart / path).exists() or (chart / path).read_text(encoding="utf-8") != content
    ]
    return [*wrong, *left_over(wanted, chart)]


def left_over(wanted: Mapping[str, str], chart: Path = CHART) -> list[str]:
    """CRDs of kinds that are no more."""
    found = (str(path.relative_to(chart)) for path in sorted(chart.glob("crds/*")))
    return [path for path in found if path not in wanted]


def build(chart: Path) -> dict[str, str]:
    """Every generated file by its path; of the schema only one part is generated."""
    schema = json.loads((chart / "values.schema.json").read_text(encoding="utf-8"))
    schema["properties"]["config"] = config_schema()
    return {
        "templates/rbac.yaml": rbac_template(),
        "templates/webhooks.yaml": webhooks_template(),
        "values.schema.json": json.dumps(schema, indent=2) + "\n",
        **{f"crds/{name}": content for name, content in build_crds().items()},
    }


# --- roles ----------------------------------------------------------------------------------


def rbac_template() -> str:
    """Each role and its binding."""
    return _HEADER + "".join(_role(*role) for role in _ROLES)


def _role(holder: Holder, scope: Scope, value: str, suffix: str) -> str:
    kind = "ClusterRole" if scope is Scope.CLUSTER else "Role"
    # Of a right that holds under a condition, the condition stands around its rule.
    rights = rights_of(holder, scope, Condition)
    text = _head(kind, value, suffix) + "rules:\n" + "".join(map(_rule, rights))
    text += _head(f"{kind}Binding", f"{value}Binding", suffix)
    text += (
        "roleRef:\n"
        "  apiGroup: rbac.authorization.k8s.io\n"
        f"  kind: {kind}\n"
        f"  name: {{{{ .Values.{value}.name }}}}{suffix}\n"
        "subjects:\n"
        "  - kind: ServiceAccount\n"
        "    name: {{ .Values.serviceAccount.name }}\n"
        "    namespace: {{ .Release.Namespace }}\n"
    )
    if holder is Holder.INSTALLER:
        return "{{- if .Values.crdInstaller.enabled }}\n" + text + "{{- end }}\n"
    return text


def _head(kind: str, value: str, suffix: str) -> str:
    # A suffix of its own for the webhook's role in our namespace: names there are free.
    namespaced = not kind.startswith("Cluster")
    return (
        "---\n"
        "apiVersion: rbac.authorization.k8s.io/v1\n"
        f"kind: {kind}\n"
        "metadata:\n"
        f"  name: {{{{ .Values.{value}.name }}}}{suffix}\n"
        + ("  namespace: {{ .Release.Namespace }}\n" if namespaced else "")
        + _labels(f"{value}.labels")
    )


def _labels(value: str) -> str:
    arguments = f'(dict "root" . "labels" .Values.{value})'
    return f'  labels:\n    {{{{- include "grove.labels" {arguments} | nindent 4 }}}}\n'


def _rule(right: Right) -> str:
    rule = right.rule()
    if right.names:
        rule["resourceNames"] = [_RENAMED.get(name, name) for name in right.names]
    lines = yaml.safe_dump([rule], sort_keys=False, default_flow_style=None, width=10_000)
    text = "".join(f"  {line}\n" for line in (f"# {right.why}", *lines.splitlines()))
    if right.condition is Condition.ALWAYS:
        return text
    return f"  {{{{- if {CONDITIONS[right.condition]} }}}}\n{text}  {{{{- end }}}}\n"


# --- webhook configurations -----------------------------------------------------------------


def webhooks_template() -> str:
    found = registrations(authorizer=True)
    bodies = configurations(lambda path: {"path": path}, authorizer=True)
    return _HEADER + "".join(map(_configuration, found, bodies))


def _configuration(registration: Registration, body: Body) -> str:
    value = f"webhooks.{_CONFIGURATIONS[registration.configuration]}"
    [webhook] = body["webhooks"]
    fixed = {
        key: webhook[key]
        for key in (
            "name",
            "admissionReviewVersions",
            "sideEffects",
            "matchPolicy",
            "objectSelector",
            "rules",
        )
        if key in webhook
    }
    text = (
        "---\n"
        f"apiVersion: {body['apiVersion']}\n"
        f"kind: {body['kind']}\n"
        "metadata:\n"
        f"  name: {registration.configuration}\n"
        f"{_labels(f'{value}.labels')}"
        '  {{- with include "grove.webhookAnnotations" '
        f'(dict "root" . "annotations" .Values.{value}.annotations) | fromYaml }}}}\n'
        "  annotations:\n"
        "    {{- toYaml . | nindent 4 }}\n"
        "  {{- end }}\n"
        "webhooks:\n"
        f"{yaml.safe_dump([fixed], sort_keys=False, indent=2)}"
        "  failurePolicy: {{ .Values.webhooks.failurePolicy }}\n"
        "  timeoutSeconds: {{ .Values.webhooks.timeoutSeconds }}\n"
        "  namespaceSelector:\n"
        '    {{- include "grove.namespaceSelector" . | nindent 4 }}\n'
        "  clientConfig:\n"
        "    service:\n"
        "      name: {{ .Values.service.name }}\n"
        "      namespace: {{ .Release.Namespace }}\n"
        "      port: {{ .Values.config.server.webhooks.port }}\n"
        f"      path: {registration.path}\n"
        "    {{- with .Values.webhooks.caBundle }}\n"
        "    caBundle: {{ . }}\n"
        "    {{- end }}\n"
    )
    if registration.managed_only:
        return "{{- if .Values.config.authorizer.enabled }}\n" + text + "{{- end }}\n"
    return text


# --- schema of the configuration -------------------------------------------------------------


def config_schema() -> Body:
    """What `config` in the values may hold: the keys of the operator's configuration file."""
    schema = _section(Settings, ())
    probes = schema["properties"]["server"]["properties"]["healthProbes"]["properties"]
    probes["enable"] = {"type": "boolean"}  # the chart's own: whether the pods have probes
    # The chart looks into these, so they must be there; all others may be left out.
    schema["required"] = ["authorizer", "leaderElection", "scheduler", "server"]
    server = schema["properties"]["server"]
    server["required"] = ["healthProbes", "metrics", "webhooks"]
    for part in server["properties"].values():
        part["properties"]["port"] |= {"minimum": 1}
        part["required"] = ["port"]
    return schema


def _section(model: type[BaseModel], path: tuple[str, ...]) -> Body:
    fields = dict(_fields(model, path))
    return {"type": "object", "additionalProperties": False, "properties": fields}


def _fields(model: type[BaseModel], path: tuple[str, ...]) -> Iterator[tuple[str, Body]]:
    for name, field in model.model_fields.items():
        key = file_key(name)
        if (*path, key) not in _FROM_CHART:
            yield key, _field(field, (*path, key))


def _field(field: FieldInfo, path: tuple[str, ...]) -> Body:
    for annotation in (field.annotation, *_arguments(field.annotation)):
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            section = _section(annotation, path)
            return section if not _is_list(field) else {"type": "array", "items": section}
    if any(isinstance(mark, BeforeValidator) for mark in field.metadata):
        return {"type": "string", "pattern": _DURATION}
    schema = TypeAdapter(field.rebuild_annotation()).json_schema()
    return {key: value for key, value in schema.items() if key not in {"title", "default"}}


def _arguments(annotation: Any) -> tuple[Any, ...]:
    return getattr(annotation, "__args__", ())


def _is_list(field: FieldInfo) -> bool:
    return getattr(field.annotation, "__origin__", None) is tuple


if __name__ == "__main__":
    sys.exit(main())
