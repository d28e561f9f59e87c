"""The command line: run the operator, plan a manifest, write the CRDs.

Exit codes: 0 fine, 1 wrong arguments or manifest, 2 wrong configuration, 4 could not start,
6 died while running.
"""

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from grove_operator import __version__
from grove_operator.cli.planning import PlanOutput
from grove_operator.errors import SpecError

app = typer.Typer(
    help="Runs multi-node AI inference on Kubernetes: PodCliqueSets become gangs of pods.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
_errors = Console(stderr=True, highlight=False)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"grove-operator {__version__}")
        raise typer.Exit


@app.callback()
def root(
    _version: Annotated[
        bool, typer.Option("--version", "-v", callback=_show_version, help="Print the version.")
    ] = False,
) -> None:
    """Hold the options that stand before a command."""


@app.command()
def run(
    config: Annotated[
        Path | None,
        typer.Option(help="File in the form of Grove's OperatorConfiguration."),
    ] = None,
    kubeconfig: Annotated[
        str | None,
        typer.Option(help="How to reach the cluster; default: KUBECONFIG, or the pod's account."),
    ] = None,
) -> None:
    """Run the operator until it is told to stop."""
    from grove_operator.operator.app import main as run_operator

    raise typer.Exit(run_operator(config, kubeconfig))


@app.command()
def plan(
    file: Annotated[str, typer.Argument(help="Manifest with PodCliqueSets; - reads stdin.")],
    output: Annotated[PlanOutput, typer.Option("--output", "-o", help="Form of the result.")] = (
        PlanOutput.TREE
    ),
    namespace: Annotated[
        str, typer.Option("--namespace", "-n", help="For sets that name none.")
    ] = "default",
    native_gangs: Annotated[
        bool,
        typer.Option(help="Whether the cluster serves PodGroups and CompositePodGroups."),
    ] = True,
) -> None:
    """Print every object that a PodCliqueSet becomes. Needs no cluster."""
    from grove_operator.cli.planning import print_plan, read_sets
    from grove_operator.scheduling.native import Capabilities

    try:
        if file == "-":
            sets = read_sets(sys.stdin, namespace)
        else:
            with Path(file).open(encoding="utf-8") as stream:
                sets = read_sets(stream, namespace)
    except OSError as error:
        _errors.print(f"{file}: {error.strerror or error}")
        raise typer.Exit(1) from error
    except SpecError as error:
        for problem in error.problems:
            _errors.print(f"{file}: {problem}", markup=False)
        raise typer.Exit(1) from error
    offered = Capabilities(native_gangs, native_gangs, native_gangs)
    print_plan(sets, offered, output, Console(highlight=False))


@app.command()
def crds(
    directory: Annotated[Path, typer.Option("--dir", help="Where the files are.")] = Path("crds"),
    check: Annotated[bool, typer.Option(help="Only compare; exit 1 if they differ.")] = False,
) -> None:
    """Write the CustomResourceDefinitions, made from the API models."""
    from grove_operator.cli.crds import check_crds, write_crds

    if check:
        differences = check_crds(directory)
        for difference in differences:
            _errors.print(difference, markup=False)
        raise typer.Exit(1 if differences else 0)
    for path in write_crds(directory):
        typer.echo(str(path))


def main() -> None:
    app()


if __name__ == "__main__":
    main()
