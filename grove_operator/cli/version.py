"""`--version`, as both command lines of this package answer it."""

from collections.abc import Callable

import typer

from grove_operator import __version__


def shows_version(program: str) -> Callable[[bool], None]:
    """A callback for the option: print program and version, then end."""

    def show(wanted: bool) -> None:
        if wanted:
            typer.echo(f"{program} {__version__}")
            raise typer.Exit

    return show
