"""Rules about the code as a whole: imports, sizes, and what pure code never reads."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "grove_operator"
MODULES = sorted(PACKAGE.rglob("*.py"))
CEILING = 450
PURE = ("api", "admission", "desired", "policy", "plan", "scheduling", "observed.py")
IMPURE_MODULES = frozenset(
    {"asyncio", "logging", "random", "time", "os", "secrets", "uuid", "socket"}
)
GRAB_BAGS = frozenset({"utils", "util", "common", "helpers", "helper", "manager", "misc"})
LOCAL_PATH = re.compile(r"(?<![\w.])/(?:home|Users|root|work)/[a-z]\w*")
CODE = ("grove_operator", "tests", "tools", "bench")


def test_import_contracts() -> None:
    program = "from importlinter.cli import lint_imports; raise SystemExit(lint_imports())"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("folder", CODE)
def test_no_module_is_too_long(folder: str) -> None:
    lengths = {path: path.read_text().count("\n") for path in (ROOT / folder).rglob("*.py")}
    assert {str(path): length for path, length in lengths.items() if length > CEILING} == {}


def test_every_module_says_what_it_is() -> None:
    silent = [path for path in MODULES if path.stat().st_size and not _docstring(path)]
    assert [str(path) for path in silent] == []


def _docstring(path: Path) -> str | None:
    return ast.get_docstring(ast.parse(path.read_text()))


@pytest.mark.parametrize("folder", CODE)
def test_no_module_is_a_grab_bag(folder: str) -> None:
    found = [path for path in (ROOT / folder).rglob("*.py") if path.stem in GRAB_BAGS]
    assert [str(path) for path in found] == []


def pure_modules() -> list[Path]:
    return [path for path in MODULES if path.relative_to(PACKAGE).parts[0] in PURE]


@pytest.mark.parametrize("path", pure_modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_pure_code_knows_no_clock_chance_or_environment(path: Path) -> None:
    assert list(_impurities(ast.parse(path.read_text()))) == []


def _impurities(tree: ast.AST) -> list[str]:
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [name.name for name in node.names]
        elif isinstance(node, ast.ImportFrom):
            found.append(node.module or "")
        elif isinstance(node, ast.Attribute) and node.attr in {"now", "utcnow", "today"}:
            value = node.value
            if isinstance(value, ast.Name) and value.id in {"datetime", "date"}:
                found.append(f"{value.id}.{node.attr}")
        elif isinstance(node, ast.AsyncFunctionDef):
            found.append(f"async def {node.name}")
    allowed = [name for name in found if name.split(".")[0] not in IMPURE_MODULES]
    impure = [name for name in allowed if name.startswith(("datetime.now", "datetime.utcnow"))]
    impure += [name for name in allowed if name.startswith(("date.today", "async def"))]
    return impure + [name for name in found if name not in allowed]


def test_the_rule_about_pure_code_finds_what_it_should() -> None:
    text = "import time\nfrom random import random\nx = datetime.now()\nasync def f(): ..."
    assert len(_impurities(ast.parse(text))) == 4


def _committed() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    return [ROOT / line for line in listed.stdout.splitlines()]


def test_no_file_names_a_path_of_somebodys_machine() -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    found = []
    for path in _committed():
        try:
            text = path.read_text(encoding="utf-8")
        except (UnicodeDecodeError, OSError):
            continue
        found += [f"{path.relative_to(ROOT)}: {item}" for item in LOCAL_PATH.findall(text)]
    assert found == []
