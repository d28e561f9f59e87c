"""Runs the programs that make images and rules; a failure shows what they said."""

import subprocess
from collections.abc import Mapping
from pathlib import Path

from tools.realnode.errors import RealNodeError

_SHOWN = 3000


def run(
    *command: str | Path,
    env: Mapping[str, str] | None = None,
    stdin: str | None = None,
    timeout: float = 600,
) -> str:
    words = [str(word) for word in command]
    try:
        done = subprocess.run(
            words,
            env=None if env is None else dict(env),
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout,
        )
    except FileNotFoundError as error:
        raise RealNodeError(f"{words[0]} is not installed") from error
    except subprocess.TimeoutExpired as error:
        raise RealNodeError(f"{' '.join(words[:6])}: not done after {timeout:.0f} s") from error
    if done.returncode != 0:
        said = (done.stderr + done.stdout)[-_SHOWN:].strip()
        raise RealNodeError(f"{' '.join(words[:6])}: status {done.returncode}\n{said}")
    return done.stdout


def succeeds(*command: str | Path) -> bool:
    """For what may be there or not."""
    try:
        run(*command, timeout=60)
    except RealNodeError:
        return False
    return True
