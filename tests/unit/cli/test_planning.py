"""`grove-operator plan`: what is read, what is printed, and how it ends."""

import json
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.console import Console
from typer.testing import CliRunner, Result

from grove_operator.__main__ import app
from grove_operator.api import labels
from grove_operator.cli.manifests import Manifest, read_manifests
from grove_operator.cli.outputs import PlanOutput
from grove_operator.cli.planning import MOST_PODS, print_plan
from tests.integration.crd_cases import (
    a_binding,
    clique_spec,
    container,
    edited,
    group,
    spec,
    template,
)
from tests.integration.crd_cases import a_set as a_template
from tests.support.builders import NATIVE, the_crew

Body = dict[str, Any]


def a_set() -> Body:
    """With the one copy that nobody gets without asking."""
    return edited(a_template(), spec(replicas=1))


def command(*arguments: str, stdin: str | bytes = "") -> Result:
    return CliRunner().invoke(app, ["plan", *arguments], input=stdin)


def planned(*bodies: Any, options: tuple[str, ...] = ()) -> list[Body]:
    result = command("-", "-o", "json", *options, stdin=yaml.safe_dump_all(bodies))
    assert result.exit_code == 0, result.stderr
    items: list[Body] = json.loads(result.stdout)["items"]
    return items


def of_kind(bodies: list[Body], kind: str) -> list[Body]:
    return [body for body in bodies if body["kind"] == kind]


def printed(output: PlanOutput) -> str:
    text = StringIO()
    print_plan([the_crew().model()], NATIVE, output, Console(file=text, width=120))
    return text.getvalue()


def test_yaml_and_json_hold_the_same_objects() -> None:
    from_yaml = list(yaml.safe_load_all(printed(PlanOutput.YAML)))
    assert from_yaml == json.loads(printed(PlanOutput.JSON))["items"]
    assert len(of_kind(from_yaml, "Pod")) == 11


@pytest.mark.parametrize("text", ["y", "No", "on", "1e3", "0o17", "1_000", ".5", "~", "<<", "1:30"])
def test_no_text_becomes_something_else_in_yaml(text: str) -> None:
    """kubectl takes more plain words for numbers and truth values than PyYAML does."""
    body = json.dumps(edited(a_set(), container(args=[text])))
    written = command("-", "-o", "yaml", stdin=body).stdout
    read = read_manifests(["-"], BytesIO(written.encode()))
    pods = of_kind([item.body for item in read if isinstance(item, Manifest)], "Pod")
    assert pods
    assert pods[0]["spec"]["containers"][0]["args"] == [text]


def test_the_tree_tells_counts_and_who_waits() -> None:
    tree = printed(PlanOutput.TREE)
    assert "PodCliqueSet harbor/tide" in tree
    assert "11 of them pods" in tree
    assert "waits for its gang" in tree


def test_one_is_not_said_as_many() -> None:
    body = edited(a_set(), clique_spec(replicas=1, minAvailable=1))
    tree = command("-", stdin=yaml.safe_dump(body)).stdout
    assert "PodGang tide-0  1 PodClique, 1 pod\n" in tree
    assert "at least 1 pod together" in tree


def test_no_line_is_broken_when_nobody_looks() -> None:
    body = edited(a_set(), template(cliqueStartupType="CliqueStartupTypeAnyOrder"))
    body["metadata"]["name"] = "t" * 40
    lines = command("-", stdin=yaml.safe_dump(body)).stdout.splitlines()
    assert max(map(len, lines)) > 80
    assert all(line.startswith(("Pod", "├", "└", "│", " ")) for line in lines)
    wrong = edited(body, clique_spec(minAvailable=9))
    assert len(command("-", stdin=yaml.safe_dump(wrong)).stderr.splitlines()) == 1


def test_defaults_of_the_webhook_come_first() -> None:
    config = {"maxReplicas": 5}
    body = edited(a_set(), clique_spec(replicas=2, minAvailable=None, autoScalingConfig=config))
    objects = planned(body)
    [clique] = of_kind(objects, "PodClique")
    [autoscaler] = of_kind(objects, "HorizontalPodAutoscaler")
    assert clique["spec"]["minAvailable"] == autoscaler["spec"]["minReplicas"] == 2
    pod = of_kind(objects, "Pod")[0]["spec"]
    assert (pod["restartPolicy"], pod["terminationGracePeriodSeconds"]) == ("Always", 30)


def test_a_pod_monitor_is_printed_where_one_is_asked_for() -> None:
    body = edited(a_set(), container(ports=[{"name": "metrics", "containerPort": 80}]))
    assert of_kind(planned(body), "PodMonitor") == []
    body["metadata"]["annotations"] = {labels.POD_MONITOR: "true"}
    assert len(of_kind(planned(body), "PodMonitor")) == 1


def test_counts_with_a_point_are_whole_numbers() -> None:
    text = yaml.safe_dump(edited(a_set(), clique_spec(replicas=7777)))
    result = command("-", "-o", "json", stdin=text.replace("7777", "2.0"))
    assert len(of_kind(json.loads(result.stdout)["items"], "Pod")) == 2


def test_a_generated_name_is_made_up() -> None:
    body = a_set() | {"metadata": {"generateName": "tide-"}}
    [gang] = of_kind(planned(body), "PodGang")
    assert gang["metadata"]["name"] == "tide-xxxxx-0"


def test_lists_and_directories_are_opened_and_other_kinds_passed_over(tmp_path: Path) -> None:
    service = {"apiVersion": "v1", "kind": "Service"}
    second = a_set() | {"metadata": {"name": "wave"}}
    listed = {"apiVersion": "v1", "kind": "List", "items": [service, a_set()]}
    (tmp_path / "deep").mkdir()
    (tmp_path / "a.yaml").write_text(yaml.safe_dump(listed))
    (tmp_path / "deep" / "b.json").write_text(json.dumps(second))
    tree = command(str(tmp_path), "-n", "harbor").stdout
    roots = [line.split()[1] for line in tree.splitlines() if line.startswith("PodCliqueSet")]
    assert roots == ["harbor/tide", "harbor/wave"]


def test_bindings_among_the_manifests_count() -> None:
    pack = {"topologyName": "hall", "pack": {"required": "zone"}}
    body = edited(a_set(), template(topologyConstraint=pack))
    keys = {level["domain"]: level["key"] for level in a_binding()["spec"]["levels"]}
    assert keys["zone"] not in json.dumps(planned(body))
    assert keys["zone"] in json.dumps(of_kind(planned(a_binding(), body), "PodGroup"))


def test_the_cluster_may_lack_gangs() -> None:
    assert of_kind(planned(a_set()), "PodGroup")
    assert of_kind(planned(a_set(), options=("--no-native-gangs",)), "PodGroup") == []


def a_set_with(container: Body) -> Body:
    return edited(a_set(), clique_spec(podSpec={"containers": [{"name": "app"} | container]}))


CLIQUE = "spec.template.cliques[0].spec"
WRONG: dict[str, tuple[Any, str]] = {
    "no clique": (edited(a_set(), template(cliques=[])), "spec.template.cliques: "),
    "metadata that is a text": (
        a_set() | {"metadata": "hello"},
        'metadata: Invalid value: "string": must be of type object',
    ),
    "an image that is a list": (
        a_set_with({"image": ["x"]}),
        f"{CLIQUE}.podSpec.containers[0].image: Invalid value",
    ),
    "an unknown field of pods": (
        a_set_with({"image": "x", "imagePolicy": "Always"}),
        f"{CLIQUE}.podSpec.containers[0].imagePolicy: unknown field",
    ),
    "a namespace that is none": (
        a_set() | {"metadata": {"name": "tide", "namespace": "Bad NS"}},
        'metadata.namespace: Invalid value: "Bad NS"',
    ),
    "a binding without a key": (
        edited(a_binding(), spec(levels=[{"domain": "zone"}])),
        "ClusterTopologyBinding hall: spec.levels[0].key: Required value",
    ),
    "more pods than a number holds": (
        edited(a_set(), clique_spec(replicas=10**30)),
        f"{CLIQUE}.replicas: Invalid value: {10**30}: must be of type integer",
    ),
    "more pods than a set may have": (
        edited(a_set(), spec(replicas=100_001)),
        "spec.replicas: Invalid value: 100001: must not be more than 100000",
    ),
}


@pytest.mark.parametrize(("body", "words"), WRONG.values(), ids=WRONG)
def test_what_lint_calls_wrong_is_not_planned(body: Any, words: str) -> None:
    good = a_set() | {"metadata": {"name": "other"}}
    result = command("-", stdin=yaml.safe_dump_all([good, body]))
    assert result.exit_code == 1
    assert result.stdout == ""
    assert words in result.stderr
    assert all(line.startswith("<stdin>:") for line in result.stderr.splitlines())


def test_a_set_that_nobody_can_read_through_is_not_printed() -> None:
    body = edited(edited(a_set(), clique_spec(replicas=20)), group(replicas=1000))
    result = command("-", stdin=yaml.safe_dump(body))
    assert result.exit_code == 1
    assert result.stdout == ""
    pods = f"becomes 20000 pods, too many to print; plan it with at most {MOST_PODS}"
    assert result.stderr == f"PodCliqueSet default/tide: {pods}\n"


UNREADABLE: dict[str, tuple[bytes, str, int]] = {
    "not YAML": (b"a: [", "<stdin>:2: is not YAML", 2),
    "not text": (b"kind: \xff\xfe", "<stdin>: is not UTF-8 text", 2),
    "thousands of lists in each other": (b"[" * 5000 + b"]" * 5000, "nested too deeply", 2),
    "enough of them to end a process": (b"a: " + b"[" * 200_000, "nested too deeply", 2),
    "nothing": (b"", "<stdin>: no object in it", 2),
    "only a comment": (b"# a\n---\n", "<stdin>: no object in it", 2),
    "something else": (b"kind: Pod", "<stdin>: no PodCliqueSet", 1),
}


@pytest.mark.parametrize(("content", "words", "code"), UNREADABLE.values(), ids=UNREADABLE)
def test_what_cannot_be_read(content: bytes, words: str, code: int) -> None:
    result = command("-", stdin=content)
    assert (result.exit_code, result.stdout) == (code, "")
    assert words in result.stderr


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    result = command(str(tmp_path / "none.yaml"))
    assert result.exit_code == 2
    assert "none.yaml: cannot be read: No such file or directory" in result.stderr
