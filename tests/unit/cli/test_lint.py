"""`grove-operator lint`: what is read, what is said of it, and how it ends."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

from grove_operator.__main__ import app
from grove_operator.admission.apiserver import JUDGED, schema_of
from grove_operator.admission.celrules import CEL_RULES
from grove_operator.cli.findings import Level
from grove_operator.cli.lint import ANY_CLUSTER, Report, lint
from tests.integration.crd_cases import a_binding, a_set, clique_spec, edited, spec, template
from tests.support.mutations import mutated

ROOT = Path(__file__).parents[3]
EXAMPLES = ROOT / "examples"
PACK = {"topologyName": "hall", "pack": {"required": "rack"}}


def report_on(*bodies: Any) -> Report:
    return lint(
        ["-"], io.BytesIO(yaml.safe_dump_all(bodies, encoding="utf-8")), ANY_CLUSTER, "harbor"
    )


def sentences(report: Report, level: Level = Level.ERROR) -> list[str]:
    return [finding.sentence for finding in report.findings if finding.level == level]


def command(*arguments: str, stdin: str = "") -> Result:
    return CliRunner().invoke(app, ["lint", *arguments], input=stdin)


def test_the_examples_are_sound() -> None:
    report = lint([str(EXAMPLES)], io.BytesIO(), ANY_CLUSTER, "default")
    assert sentences(report) == []
    assert report.judged >= 5
    assert report.exit_code(strict=False) == 0


def test_every_stage_is_heard_at_once() -> None:
    body = edited(a_set(), clique_spec(minAvailable=3, minAvailabel=1))
    body["metadata"]["name"] = "Tide"
    body["spec"]["template"] |= {"terminationDelay": "0s", "topologyConstraint": {"pack": {}}}
    told = [sentence.split(": ")[:2] for sentence in sentences(report_on(body))]
    assert sorted(told) == [
        ["metadata.name", "Invalid value"],
        ["spec.template.cliques[0].spec.minAvailabel", "unknown field"],
        ["spec.template.cliques[0].spec.minAvailable", "Invalid value"],
        ["spec.template.terminationDelay", "Invalid value"],
        ["spec.template.topologyConstraint.pack", "Required value"],
        ["spec.template.topologyConstraint.topologyName", "Required value"],
    ]


def test_what_two_stages_refuse_is_told_once() -> None:
    body = edited(a_set(), spec(replicas=-1))
    cliques = body["spec"]["template"]["cliques"]
    cliques.append(cliques[0] | {"spec": cliques[0]["spec"] | {"roleName": "b"}})
    assert sentences(report_on(body)) == [
        "spec.replicas: Invalid value: -1: should be a non-negative integer",
        'spec.template.cliques[1]: Duplicate value: {"name":"a"}',
    ]


def test_rules_wait_until_the_types_are_right() -> None:
    report = report_on(edited(a_set(), clique_spec(replicas="two", minAvailable=0)))
    path = "spec.template.cliques[0].spec.replicas"
    assert sentences(report) == [f'{path}: Invalid value: "string": must be of type integer']
    assert report.postponed == ["tide"]
    assert report.left_out == []


def test_a_set_without_a_spec() -> None:
    body = {key: part for key, part in a_set().items() if key != "spec"}
    assert sentences(report_on(body)) == ["spec: Required value"]


def test_defaults_come_before_the_rules() -> None:
    """One replica is the default, but the minimum is taken from what was submitted."""
    body = a_set()
    del body["spec"]["template"]["cliques"][0]["spec"]["replicas"]
    path = "spec.template.cliques[0].spec.minAvailable"
    assert sentences(report_on(body)) == [f"{path}: Invalid value: 0: must be greater than 0"]


def test_warnings_do_not_fail_unless_asked() -> None:
    body = yaml.safe_dump(edited(a_set(), clique_spec(minAvailable=2)))
    assert command("-", stdin=body).exit_code == 0
    assert command("-", "--strict", stdin=body).exit_code == 1
    (warning,) = json.loads(command("-", "-o", "json", stdin=body).stdout)
    assert warning["level"] == "warning"
    assert warning["path"] == "spec.template.cliques"


def test_a_topology_that_comes_along_is_used() -> None:
    body = edited(a_set(), template(topologyConstraint=PACK))
    alone = report_on(body)
    assert sentences(alone) == []
    assert any("ClusterTopologyBinding hall exists" in check for check in alone.left_out)
    together = report_on(body, a_binding())
    assert sentences(together) == [
        'spec.template.topologyConstraint.pack.required: Invalid value: "rack": topology '
        "domain 'rack' does not exist in cluster topology [zone host]"
    ]
    assert not any("hall" in check for check in together.left_out)


def test_a_binding_is_judged_without_a_namespace() -> None:
    level = {"domain": "zone", "key": "a"}
    report = report_on(edited(a_binding(), spec(levels=[level, level])))
    assert sentences(report) == [
        'spec.levels[1].domain: Duplicate value: "zone"',
        'spec.levels[1].key: Duplicate value: "a"',
    ]
    assert {finding.object for finding in report.findings} == {"ClusterTopologyBinding hall"}
    assert report.left_out == []


def test_the_queue_of_volcano_is_left_out() -> None:
    podspec = a_set()["spec"]["template"]["cliques"][0]["spec"]["podSpec"]
    body = edited(a_set(), clique_spec(podSpec=podspec | {"schedulerName": "volcano"}))
    assert "whether queue default of Volcano exists and is open" in report_on(body).left_out


def test_a_generated_name_counts() -> None:
    body = a_set() | {"metadata": {"generateName": "t" * 44}}
    (first, second) = sentences(report_on(body))
    assert "combined resource name length 50 exceeds 45-character limit" in first
    assert second.startswith("spec.template.cliques[0].name")


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (a_set() | {"apiVersion": "grove.io/v1"}, 'apiVersion: Unsupported value: "grove.io/v1"'),
        (a_set() | {"kind": "PodCliqueset"}, 'kind: Unsupported value: "PodCliqueset"'),
        (a_set() | {"kind": ["x"]}, "kind: Unsupported value"),
        (a_set() | {"metadata": "tide"}, 'metadata: Invalid value: "string": must be of type'),
    ],
    ids=["another version", "a misspelt kind", "no kind at all", "metadata that is a text"],
)
def test_what_no_server_would_know(body: Any, sentence: str) -> None:
    (told,) = sentences(report_on(body))
    assert told.startswith(sentence)


def test_other_kinds_are_counted_and_lists_are_opened() -> None:
    service = {"apiVersion": "v1", "kind": "Service"}
    clique = {"apiVersion": "grove.io/v1alpha1", "kind": "PodClique"}
    listed = {"apiVersion": "v1", "kind": "List", "items": [service, a_set(), clique]}
    report = report_on(None, listed, service)
    assert (report.judged, report.passed_over) == (1, 3)


FILE = """\
# a comment
apiVersion: v1
kind: ConfigMap
---
apiVersion: v1
kind: List
items:
- apiVersion: grove.io/v1alpha1
  kind: PodCliqueSet
  metadata:
    name: tide
    annotations:
      grove.io/mnnvl-group: A
      a b: c
  spec:
    template:
      cliques:
      - name: a
        spec:
          roleName: a
          replicas: 1
          replicas: 2
          podSpec:
            containers: [{name: app, image: registry.example/app:1}]
            nodeName: here
"""


def test_findings_name_their_lines(tmp_path: Path) -> None:
    path = tmp_path / "set.yaml"
    path.write_text(FILE)
    report = lint([str(path)], io.BytesIO(), ANY_CLUSTER, "harbor")
    clique = "spec.template.cliques[0].spec"
    assert [(finding.line, finding.level, finding.path) for finding in report.findings] == [
        (12, "error", "metadata.annotations"),
        (13, "error", "metadata.annotations.grove.io/mnnvl-group"),
        (17, "warning", "spec.template.cliques"),
        (22, "warning", f"{clique}.replicas"),
        (23, "error", f"{clique}.podSpec.spec.nodeName"),
    ]
    assert {finding.document for finding in report.findings} == {2}
    assert {finding.object for finding in report.findings} == {"PodCliqueSet harbor/tide"}


def test_directories_are_searched(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / ".git").mkdir()
    for name in ("a.yaml", "deep/b.yml", "deep/c.json", "d.txt", ".git/e.yaml"):
        (tmp_path / name).write_text(json.dumps(a_set()))
    report = lint([str(tmp_path)], io.BytesIO(), ANY_CLUSTER, "harbor")
    assert report.judged == 3


def test_json_may_be_indented_with_tabs_and_escaped() -> None:
    body = a_set() | {"metadata": {"name": "tide", "annotations": {"a": "🙂", "b": "\\ud83d"}}}
    text = json.dumps(body, indent="\t")
    report = lint(["-"], io.BytesIO(text.encode()), ANY_CLUSTER, "harbor")
    assert (report.judged, sentences(report)) == (1, [])


UNREADABLE = {
    "no file": (None, "cannot be read: No such file or directory"),
    "not YAML": (b"a: [", ":2: is not YAML"),
    "not text": (b"\xff\xfe\xfa", "is not UTF-8 text"),
    "a list": (b"- a\n", "must hold objects, not lists or texts"),
    "a circle": (b"a: &a [*a]\n", "refers to itself"),
    "aliases of aliases": (
        b"a0: &a0 [x, x]\n"
        + b"".join(
            b"a%d: &a%d [%s]\n" % (i, i, b",".join([b"*a%d" % (i - 1)] * 9)) for i in range(1, 12)
        ),
        "too big when its aliases are written out",
    ),
    "objects as keys": (b"{[a]: b}", "must not have lists or objects as keys"),
}


@pytest.mark.parametrize(("content", "words"), UNREADABLE.values(), ids=UNREADABLE)
def test_what_cannot_be_read(tmp_path: Path, content: bytes | None, words: str) -> None:
    bad, good = tmp_path / "bad.yaml", tmp_path / "good.yaml"
    good.write_text(yaml.safe_dump(a_set()))
    if content is not None:
        bad.write_bytes(content)
    result = command(str(bad), str(good))
    assert result.exit_code == 2
    assert words in result.stderr
    assert "in 1 object" in result.stderr


def test_stdin_is_read_as_bytes() -> None:
    result = CliRunner().invoke(app, ["lint", "-"], input=b"kind: \xff")
    assert result.exit_code == 2
    assert "<stdin>: is not UTF-8 text" in result.stderr


@pytest.mark.parametrize("text", ["", "# nothing\n---\n", "kind: List\nitems: []\n"])
def test_without_an_object_there_is_nothing_to_call_sound(tmp_path: Path, text: str) -> None:
    (tmp_path / "empty.yaml").write_text(text)
    for name in ("empty.yaml", "."):
        result = command(str(tmp_path / name))
        assert result.exit_code == 2
        assert "no object in it" in result.stderr
    (tmp_path / "set.yaml").write_text(yaml.safe_dump(a_set()))
    assert command(str(tmp_path)).exit_code == 0


def test_a_namespace_is_a_label() -> None:
    body = a_set() | {"metadata": {"name": "tide", "namespace": "Bad NS"}}
    (told,) = sentences(report_on(body))
    assert told.startswith(
        'metadata.namespace: Invalid value: "Bad NS": a lowercase RFC 1123 label'
    )


def test_a_set_that_is_given_twice(tmp_path: Path) -> None:
    """Not those of two namespaces, and not those whose names the server makes."""
    elsewhere = a_set() | {"metadata": {"name": "tide", "namespace": "lake"}}
    generated = a_set() | {"metadata": {"generateName": "tide-"}}
    (tmp_path / "a.yaml").write_text(yaml.safe_dump_all([a_set(), elsewhere, generated, generated]))
    (tmp_path / "b.yaml").write_text(yaml.safe_dump(a_set()))
    report = lint([str(tmp_path)], io.BytesIO(), ANY_CLUSTER, "harbor")
    twice = [finding for finding in report.findings if finding.path == "metadata.name"]
    words = f"is that of the object in {tmp_path / 'a.yaml'}:1, too; the last one counts"
    assert [(finding.file, finding.level, finding.message) for finding in twice] == [
        (str(tmp_path / "b.yaml"), "warning", words)
    ]


def test_a_directory_without_manifests(tmp_path: Path) -> None:
    result = command(str(tmp_path))
    assert result.exit_code == 2
    assert "no *.yaml, *.yml or *.json files" in result.stderr


def test_the_operators_configuration_decides(tmp_path: Path) -> None:
    body = yaml.safe_dump(edited(a_set(), template(topologyConstraint=PACK)))
    config = tmp_path / "config.yaml"
    config.write_text("topologyAwareScheduling: {enabled: false}\n")
    assert command("-", stdin=body).exit_code == 0
    assert command("-", "--config", str(config), stdin=body).exit_code == 1
    config.write_text("topologyAwareScheduling: {enabled: perhaps}\n")
    assert command("-", "--config", str(config), stdin=body).exit_code == 2


def test_keys_that_mean_nothing_are_told_as_by_the_operator(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text("topologyAware: {enabled: true}\ndebugging: {enableProfiling: true}\n")
    result = command("-", "--config", str(config), stdin=yaml.safe_dump(a_set()))
    assert result.exit_code == 0
    assert f"{config}: topologyAware: unknown key\n" in result.stderr
    assert f"{config}: debugging.enableProfiling: has no effect: " in result.stderr


WRONG = yaml.safe_dump(edited(a_set(), clique_spec(minAvailable=0)))
PATH = "spec.template.cliques[0].spec.minAvailable"
WORDS = "Invalid value: 0: must be greater than 0"


def test_text_is_for_people() -> None:
    result = command("-", "-n", "harbor", stdin=WRONG)
    assert result.exit_code == 1
    assert result.stdout == f"<stdin>:10: error: PodCliqueSet harbor/tide: {PATH}: {WORDS}\n"
    assert "1 error and 0 warnings in 1 object, 0 of other kinds passed over" in result.stderr
    assert "not checked without a cluster: whether the API server takes the pods" in result.stderr


def test_what_could_not_be_read_is_counted() -> None:
    result = command("-", stdin="{")
    assert result.exit_code == 2
    assert result.stderr.endswith(", 0 of other kinds passed over, 1 could not be read\n")


def test_json_is_for_programs() -> None:
    assert json.loads(command("-", "-o", "json", stdin=WRONG).stdout) == [
        {
            "file": "<stdin>",
            "line": 10,
            "document": 1,
            "kind": "PodCliqueSet",
            "namespace": "default",
            "name": "tide",
            "level": "error",
            "path": PATH,
            "message": WORDS,
        }
    ]


def test_github_gets_commands(tmp_path: Path) -> None:
    path = tmp_path / "50%,new.yaml"
    path.write_text(WRONG)
    shown = str(path).replace("%", "%25").replace(",", "%2C")
    assert command(str(path), "-o", "github").stdout == (
        f"::error file={shown},line=10,title=PodCliqueSet default/tide::{PATH}: {WORDS}\n"
    )


KEYWORDS = frozenset(
    {
        "additionalProperties",
        "anyOf",  # only beside x-kubernetes-int-or-string, which says the same
        "default",
        "description",
        "enum",
        "format",
        "items",
        "maxLength",
        "minItems",
        "minLength",
        "minimum",
        "pattern",
        "properties",
        "required",
        "type",
        "x-kubernetes-int-or-string",
        "x-kubernetes-list-map-keys",
        "x-kubernetes-list-type",
        "x-kubernetes-map-type",  # about server-side apply only
        "x-kubernetes-preserve-unknown-fields",
        "x-kubernetes-validations",
    }
)
"""Keywords of schemas that `schemacheck` understands."""


def keywords(node: Any) -> set[str]:
    """Of a schema and everything in it; names of fields are not keywords."""
    found = set(node)
    inner = [*node.get("properties", {}).values(), *node.get("anyOf", ())]
    inner += [node[key] for key in ("items", "additionalProperties") if key in node]
    return found.union(*map(keywords, inner))


def cel_rules(node: Any) -> set[str]:
    own = {rule["rule"] for rule in node.get("x-kubernetes-validations", ())}
    inner = [*node.get("properties", {}).values()]
    inner += [node[key] for key in ("items", "additionalProperties") if key in node]
    return own.union(*map(cel_rules, inner))


def test_the_schemas_use_nothing_that_is_not_checked() -> None:
    schemas = [schema_of(kind) for kind in JUDGED]
    assert set().union(*map(keywords, schemas)) <= KEYWORDS
    assert set().union(*map(cel_rules, schemas)) == CEL_RULES.keys()


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_no_manifest_is_too_odd(data: st.DataObject) -> None:
    body = data.draw(mutated(a_set()))
    report = lint(["-"], io.BytesIO(json.dumps(body).encode()), ANY_CLUSTER, "harbor")
    assert report.judged + report.passed_over + len(report.unreadable) <= 1
