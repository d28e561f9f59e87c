"""Collects what one Python program needs of a machine, and no more, for an image without a base.

    python slim_root.py PROGRAM FOLDER

The program is loaded, not run; what Python has then opened is what it needs: the interpreter, its
standard library modules, shared libraries. Used in the Dockerfile. Standard library only.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

# What is imported only when a connection is made: host names, and time-outs of TLS.
LATE = "encodings.idna, encodings.ascii, encodings.latin_1, encodings.utf_8, stringprep, ssl"
PROBE = f"""
import json, runpy, sys, {LATE}
runpy.run_path(sys.argv[1], run_name="probe")
ssl.create_default_context()
with open("/proc/self/maps") as maps:
    mapped = {{line.split()[-1] for line in maps}}
modules = [getattr(m, "__file__", None) or "" for m in list(sys.modules.values())]
print(json.dumps([*modules, *mapped, sys.executable]))
"""
ENTRY = "grove-initc"


def main(program: Path, folder: Path) -> None:
    command = [sys.executable, "-I", "-S", "-c", PROBE, str(program)]
    opened = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    files = {Path(name).resolve() for name in opened if name.startswith("/")}
    files = {file for file in files if file.is_file() and file != program.resolve()}
    for link in ("/lib", "/lib64"):  # on Debian these lead below /usr
        if Path(link).is_symlink():
            (folder / link[1:]).symlink_to(Path(link).readlink())
    for file in sorted(files):
        _copy(file, folder)
    for alias in _aliases(files):
        target = _place(alias, folder)
        if not target.exists():
            target.symlink_to(alias.resolve())
    python = Path(sys.executable).resolve()
    # Without this folder Python warns that it cannot find its platform-dependent libraries.
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    _place(python.parents[1] / "lib" / version / "lib-dynload" / "x", folder)
    (folder / "python").symlink_to(python)
    entry = folder / ENTRY
    entry.write_text("#!/python -IS\n" + program.read_text())
    entry.chmod(0o755)


def _copy(file: Path, folder: Path) -> None:
    target = _place(file, folder)
    shutil.copy2(file, target)
    if file.suffix == ".py":
        # Compiled beforehand: the container can't write, and would compile at every start.
        program = (
            "import py_compile, sys; py_compile.compile(sys.argv[1], sys.argv[2], sys.argv[3], "
            "True, invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)"
        )
        compiled = target.parent / "__pycache__" / f"{file.stem}.{sys.implementation.cache_tag}.pyc"
        command = [sys.executable, "-c", program, str(file), str(compiled), str(file)]
        subprocess.run(command, check=True)


def _aliases(files: set[Path]) -> list[Path]:
    """Other names of these files beside them, by which the loader asks for shared libraries."""
    folders = {file.parent for file in files if ".so" in file.name} | {Path("/lib64")}
    beside = [entry for folder in folders if folder.is_dir() for entry in folder.iterdir()]
    return sorted(entry for entry in beside if entry.is_symlink() and entry.resolve() in files)


def _place(path: Path, folder: Path) -> Path:
    """Where a path of this machine comes to lie in the folder; its parent exists afterwards."""
    real = path.parent.resolve() / path.name
    target = folder / os.path.relpath(real, "/")
    target.parent.mkdir(parents=True, exist_ok=True)
    return target


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
