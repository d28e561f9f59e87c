"""`grove-operator lint`: what admission would say of manifests, with no cluster.

Goes through the API server's stages (decoding, defaults, schema, rules) for each PodCliqueSet and
ClusterTopologyBinding, and tells everything at once instead of the first stage's part. Refuses to
hold a rule: they are in `admission/`. What only a cluster knows is said to be left out.
"""

import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Final

from rich.console import Console

from grove_operator.admission.apiserver import JUDGED, is_ours, served_version, server_verdict
from grove_operator.admission.fields import FieldError, Verdict
from grove_operator.admission.submission import Facts, Found, Policy, Submission
from grove_operator.admission.topologybinding import validate_topology_binding
from grove_operator.admission.validation import validate_podcliqueset, wanted_facts
from grove_operator.api.labels import DEFAULT_SCHEDULER
from grove_operator.api.parsing import parse, parse_podcliqueset
from grove_operator.api.podcliqueset import PodCliqueSet
from grove_operator.api.topology import ClusterTopologyBinding
from grove_operator.cli.findings import Finding, Level, many, print_findings
from grove_operator.cli.manifests import Manifest, UnreadableError, read_manifests
from grove_operator.cli.outputs import LintOutput
from grove_operator.errors import SpecError
from grove_operator.settings import load_settings

Body = dict[str, Any]

ANY_CLUSTER: Final = Policy(
    profiles=(DEFAULT_SCHEDULER, "kai-scheduler", "volcano", "lpx-scheduler"),
    topology_enabled=True,
    mnnvl_enabled=True,
)
"""For users whose cluster we know nothing of: everything that can be switched on is on."""

_PODS: Final = "whether the API server takes the pods (admission tries them with a dry run)"
_CHANGES: Final = "what may not be changed in a set that already exists"


@dataclass
class Report:
    """What came out. `left_out` holds the checks that need a cluster, each once."""

    findings: list[Finding] = field(default_factory=list)
    sets: list[PodCliqueSet] = field(default_factory=list)
    """As they would be stored: with all defaults. Those that have the right shape."""
    bindings: list[ClusterTopologyBinding] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    judged: int = 0
    passed_over: int = 0
    postponed: list[str] = field(default_factory=list)
    """Objects for which the rules wait, until their fields have the right types."""
    left_out: list[str] = field(default_factory=list)

    def count(self, level: Level) -> int:
        return sum(finding.level == level for finding in self.findings)

    def exit_code(self, *, strict: bool) -> int:
        if self.unreadable:
            return 2
        return int(bool(self.findings if strict else self.count(Level.ERROR)))

    @property
    def summary(self) -> str:
        errors, warnings = self.count(Level.ERROR), self.count(Level.WARNING)
        unread = f", {len(self.unreadable)} could not be read" if self.unreadable else ""
        return (
            f"{many(errors, 'error')} and {many(warnings, 'warning')} in "
            f"{many(self.judged, 'object')}, {self.passed_over} of other kinds passed over{unread}"
        )


def run_lint(
    names: Iterable[str],
    output: LintOutput,
    config: Path | None,
    namespace: str,
    *,
    strict: bool,
) -> int:
    """The command: findings go to stdout, everything about the run to stderr. The exit code."""
    console = Console(stderr=True, highlight=False)
    policy = ANY_CLUSTER if config is None else _policy_from(config, console)
    report = lint(names, sys.stdin.buffer, policy, namespace)
    print_findings(report.findings, output, Console(highlight=False))
    for problem in report.unreadable:
        console.print(problem, markup=False, soft_wrap=True)
    console.print(report.summary, markup=False, soft_wrap=True)
    for name in report.postponed:
        told = f"rules not tried, as fields have wrong types: {name}"
        console.print(told, markup=False, soft_wrap=True)
    for check in report.left_out:
        console.print(f"not checked without a cluster: {check}", markup=False, soft_wrap=True)
    return report.exit_code(strict=strict)


def _policy_from(config: Path, console: Console) -> Policy:
    """Of the operator's configuration file. Raises SettingsError."""
    # Only here, for it brings the whole client of the API server along.
    from grove_operator.webhook.gate import policy_of

    settings = load_settings(config, {})
    remarks = [f"{key}: unknown key" for key in settings.unknown_keys]
    remarks += [f"{key}: has no effect: {why}" for key, why in settings.idle_keys.items()]
    for remark in remarks:
        console.print(f"{config}: {remark}", markup=False, soft_wrap=True)
    return policy_of(settings)


def lint(names: Iterable[str], stdin: BinaryIO, policy: Policy, namespace: str) -> Report:
    """Judge everything that the files, directories and `-` hold."""
    report = Report()
    manifests: list[Manifest] = []
    for item in read_manifests(names, stdin):
        if isinstance(item, UnreadableError):
            report.unreadable.append(str(item))
        elif is_ours(item.body):
            manifests.append(item)
        else:
            report.passed_over += 1
    facts = Facts(topologies=dict(_topologies(manifests)))
    first: dict[str, Manifest] = {}
    for manifest in manifests:
        examination = _Examination(manifest, policy, facts, namespace, report)
        examination.judge()
        examination.compare(first)
        report.findings += sorted(examination.findings, key=lambda finding: finding.line)
    report.judged = len(manifests)
    report.left_out = list(dict.fromkeys(report.left_out))
    return report


def _topologies(manifests: Iterable[Manifest]) -> Iterator[tuple[str, Found]]:
    """Bindings that come along, and so will be in the cluster when the sets are."""
    for manifest in manifests:
        if manifest.body.get("kind") == "ClusterTopologyBinding":
            try:
                binding = parse(ClusterTopologyBinding, manifest.body)
            except SpecError:
                continue
            domains = tuple(level.domain for level in binding.spec.levels)
            yield binding.metadata.name, Found(domains)


@dataclass
class _Examination:
    """One object on its way through the stages."""

    manifest: Manifest
    policy: Policy
    facts: Facts
    namespace: str
    report: Report
    findings: list[Finding] = field(default_factory=list)
    _told: set[tuple[str, str]] = field(default_factory=set)
    """Paths and kinds of what an earlier stage has said."""

    def judge(self) -> None:
        body = self.manifest.body
        for path, line in self.manifest.repeated_keys:
            self._add(Level.WARNING, path, "is given more than once, the last one counts", line)
        if (stranger := served_version(body)) is not None:
            self._errors([stranger])
            return
        stored, unknown, errors = server_verdict(self._placed(body))
        for path in unknown:
            self._add(Level.ERROR, path, "unknown field")
        self._errors(errors)
        if any(_is_type_error(error) for error in errors):
            self.report.postponed.append(self._name())
            return
        try:
            judged = self._rules(stored)
        except SpecError as error:
            self._problems(error.problems)
            return
        self._errors(judged.errors)
        for warning in judged.warnings:
            self._add(Level.WARNING, *_path_and_words(warning))

    def compare(self, first: dict[str, Manifest]) -> None:
        """Two of one name are no more an error than a key given twice: both can be applied."""
        if not self._metadata().get("name"):
            return
        name = f"{self.manifest.body.get('kind')} {self._namespace()}/{self._name()}"
        other = first.setdefault(name, self.manifest)
        if other is not self.manifest:
            place = f"{other.file}:{other.line_of('')}"
            words = f"is that of the object in {place}, too; the last one counts"
            self._add(Level.WARNING, "metadata.name", words)

    def _placed(self, body: Body) -> Body:
        """With the namespace and the name that the server would give it."""
        given = body.get("metadata")
        if given is None:
            given = {}
        if not isinstance(given, dict):
            return body
        if JUDGED[body["kind"]].scope == "Namespaced" and not given.get("namespace"):
            given = given | {"namespace": self.namespace}
        prefix = given.get("generateName")
        if not given.get("name") and isinstance(prefix, str) and prefix:
            given = given | {"name": f"{prefix}xxxxx"}
        return body | {"metadata": given}

    def _rules(self, stored: Body) -> Verdict:
        if stored["kind"] == "ClusterTopologyBinding":
            binding = parse(ClusterTopologyBinding, stored)
            self.report.bindings.append(binding)
            return validate_topology_binding(binding, self.policy)
        submission = Submission(parse_podcliqueset(stored), None, self.policy, self.facts)
        self.report.sets.append(submission.new)
        self._leave_out(_PODS, _CHANGES)
        wanted = wanted_facts(submission)
        for name in sorted(wanted.topologies - self.facts.topologies.keys()):
            self._leave_out(f"whether ClusterTopologyBinding {name} exists and has the domains")
        for name in sorted(wanted.volcano_queues):
            self._leave_out(f"whether queue {name} of Volcano exists and is open")
        return validate_podcliqueset(submission)

    def _errors(self, errors: Iterable[FieldError]) -> None:
        """What two stages have against one field is told once, in the first one's words."""
        fresh = [error for error in errors if (error.path, error.fault) not in self._told]
        for error in fresh:
            self._add(Level.ERROR, error.path, error.body)
        self._told.update((error.path, error.fault) for error in fresh)

    def _problems(self, problems: Iterable[str]) -> None:
        told = {path for path, _ in self._told}
        for problem in problems:
            path, words = _path_and_words(problem)
            if path not in told:
                self._add(Level.ERROR, path, words)

    def _add(self, level: Level, path: str, message: str, line: int | None = None) -> None:
        manifest = self.manifest
        self.findings.append(
            Finding(
                file=manifest.file,
                line=manifest.line_of(path) if line is None else line,
                document=manifest.document,
                kind=str(manifest.body.get("kind") or ""),
                namespace=self._namespace(),
                name=self._name(),
                level=level,
                path=path,
                message=message,
            )
        )

    def _leave_out(self, *checks: str) -> None:
        self.report.left_out.extend(checks)

    def _namespace(self) -> str:
        kind = JUDGED.get(str(self.manifest.body.get("kind")))
        if kind is not None and kind.scope == "Cluster":
            return ""
        return str(self._metadata().get("namespace") or self.namespace)

    def _name(self) -> str:
        metadata = self._metadata()
        return str(metadata.get("name") or metadata.get("generateName") or "without a name")

    def _metadata(self) -> Body:
        found = self.manifest.body.get("metadata")
        return found if isinstance(found, dict) else {}


def _is_type_error(error: FieldError) -> bool:
    return error.detail.startswith("must be of type")


_PATH: Final = re.compile(r"(?P<path>[a-z][A-Za-z]*[^ ]*?): (?P<words>.*)", re.DOTALL)


def _path_and_words(sentence: str) -> tuple[str, str]:
    """Warnings and problems are sentences that mostly start with a path."""
    match = _PATH.match(sentence)
    return (match["path"], match["words"]) if match else ("", sentence)
