"""`grove-operator plan`: what is read, what is printed, and how it ends."""

import json
from io import StringIO
from pathlib import Path

import pytest
import yaml
from rich.console import Console
from typer.testing import CliRunner

from grove_operator.__main__ import app
from grove_operator.cli.planning import PlanOutput, print_plan, read_manifest, read_sets
from grove_operator.errors import SpecError
from tests.support.builders import NATIVE, a_set, the_crew


def printed(output: PlanOutput) -> str:
    text = StringIO()
    print_plan([the_crew().model()], NATIVE, output, Console(file=text, width=120))
    return text.getvalue()


def test_yaml_and_json_hold_the_same_objects() -> None:
    from_yaml = list(yaml.safe_load_all(printed(PlanOutput.YAML)))
    assert from_yaml == json.loads(printed(PlanOutput.JSON))["items"]
    assert sum(body["kind"] == "Pod" for body in from_yaml) == 11


def test_the_tree_tells_counts_and_who_waits() -> None:
    tree = printed(PlanOutput.TREE)
    assert "PodCliqueSet harbor/tide" in tree
    assert "11 of them pods" in tree
    assert "waits for its gang" in tree


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: [", "not YAML"),
        ("kind: Pod", "no PodCliqueSet"),
        ("", "no PodCliqueSet"),
        (yaml.safe_dump(a_set().manifest()), "at least one clique"),
    ],
    ids=["not YAML", "something else", "nothing", "a wrong set"],
)
def test_what_cannot_be_planned(text: str, problem: str) -> None:
    with pytest.raises(SpecError, match=problem):
        read_sets(StringIO(text), "default")


def test_other_objects_in_the_file_are_passed_over() -> None:
    text = yaml.safe_dump_all([{"kind": "Service"}, the_crew().manifest()])
    assert [pcs.metadata.name for pcs in read_sets(StringIO(text), "default")] == ["tide"]


def a_binding(*levels: str) -> dict[str, object]:
    spec = {"levels": [{"domain": name, "key": f"k/{name}"} for name in levels]}
    api = {"apiVersion": "grove.io/v1alpha1", "kind": "ClusterTopologyBinding"}
    return api | {"metadata": {"name": "dc"}, "spec": spec}


def test_bindings_in_the_file_count() -> None:
    text = yaml.safe_dump_all([a_binding("zone", "rack"), the_crew().manifest()])
    manifest = read_manifest(StringIO(text), "default")
    assert manifest.topology.enabled
    assert manifest.topology.bindings == {"dc": {"zone": "k/zone", "rack": "k/rack"}}
    alone = read_manifest(StringIO(yaml.safe_dump(the_crew().manifest())), "default")
    assert not alone.topology.enabled


def test_a_wrong_binding_is_named() -> None:
    binding = a_binding() | {"spec": {}}
    text = yaml.safe_dump_all([binding, the_crew().manifest()])
    with pytest.raises(SpecError, match=r"ClusterTopologyBinding: spec\.levels"):
        read_manifest(StringIO(text), "default")


def test_the_command(tmp_path: Path) -> None:
    path = tmp_path / "set.yaml"
    path.write_text(yaml.safe_dump(the_crew().manifest()))
    result = CliRunner().invoke(app, ["plan", str(path), "-o", "json", "--no-native-gangs"])
    assert result.exit_code == 0
    kinds = {body["kind"] for body in json.loads(result.stdout)["items"]}
    assert "PodGroup" not in kinds
    assert CliRunner().invoke(app, ["plan", str(tmp_path / "none.yaml")]).exit_code == 1
