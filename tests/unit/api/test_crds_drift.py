"""The files in crds/ are what the models say."""

from pathlib import Path

import pytest

from grove_operator.cli.crds import check_crds, write_crds

CRDS = Path(__file__).parents[3] / "crds"


def test_the_committed_crds_are_up_to_date() -> None:
    differences = check_crds(CRDS)
    if differences:
        shown = "\n".join(differences)[:4000]
        pytest.fail(f"crds/ differs from the models; run `make crds`:\n{shown}", pytrace=False)


def test_what_is_written_passes_the_check(tmp_path: Path) -> None:
    written = write_crds(tmp_path / "new")
    assert sorted(path.name for path in written) == sorted(
        path.name for path in CRDS.glob("*.yaml")
    )
    assert check_crds(tmp_path / "new") == []


def test_a_change_is_shown_as_a_diff(tmp_path: Path) -> None:
    gang = write_crds(tmp_path)[-1]
    gang.write_text(gang.read_text().replace("- pg\n", "- gang\n"))
    (difference,) = check_crds(tmp_path)
    assert "-    - gang\n+    - pg" in difference
    assert gang.name in difference


def test_a_missing_and_a_foreign_file_are_named(tmp_path: Path) -> None:
    gang = write_crds(tmp_path)[-1]
    gang.rename(tmp_path / "old.yaml")
    assert check_crds(tmp_path) == ["old.yaml: belongs to no model", f"{gang.name}: is missing"]
