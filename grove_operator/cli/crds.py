"""`grove-operator crds`: writes the CRD files, or says how they differ from the models.

Plain functions; the command line calls them and prints.
"""

from difflib import unified_diff
from pathlib import Path

from grove_operator.api.schema import build_crds


def write_crds(directory: Path) -> list[Path]:
    """Writes all CRDs, making the directory if need be. Returns the files, in a fixed order."""
    directory.mkdir(parents=True, exist_ok=True)
    written = []
    for name, content in build_crds().items():
        path = directory / name
        path.write_text(content, encoding="utf-8")
        written.append(path)
    return written


def check_crds(directory: Path) -> list[str]:
    """How the files differ from what `write_crds` would write; empty if they don't.

    One text for each file: a unified diff, or that it is missing or left over.
    """
    wanted = build_crds()
    differences = [
        f"{path.name}: belongs to no model"
        for path in sorted(directory.glob("*.yaml"))
        if path.name not in wanted
    ]
    for name, content in wanted.items():
        path = directory / name
        if not path.exists():
            differences.append(f"{name}: is missing")
            continue
        found = path.read_text(encoding="utf-8")
        if found != content:
            lines = (found.splitlines(), content.splitlines())
            diff = unified_diff(*lines, f"{name} (file)", f"{name} (models)", lineterm="", n=1)
            differences.append("\n".join(diff))
    return differences
