"""`kubectl grove`: how sets are doing, as a sentence or as a tree.

kubectl finds the program `kubectl-grove` on the PATH. It reads with the rights of whoever runs it
and writes nothing. Exit codes: 0 fine, 1 something is blocked or cannot be carried out, 2 nothing
could be found out.
"""

import asyncio
import json
import logging
import sys
from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Annotated, Final, TypeVar

import typer
from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from grove_operator.cli.answers import TROUBLES, Answer, answer
from grove_operator.cli.looking import KINDS, read_racks, read_sets, read_subject
from grove_operator.cli.picture import Picture, build_tree, picture_of
from grove_operator.cli.version import shows_version
from grove_operator.cluster.config import ClientOptions, own_namespace
from grove_operator.cluster.connection import Api
from grove_operator.cluster.resources import Resource
from grove_operator.errors import GroveError, NotFoundError

T = TypeVar("T")
LOOK_EVERY: Final = 1.0
"""Seconds between two looks of `tree --watch`."""
INTERRUPTED: Final = 130
_NONE: Final = "There are no PodCliqueSets."


class Output(StrEnum):
    TEXT = "text"
    JSON = "json"


class NothingFoundError(GroveError):
    """There is nothing of that name; the message says what was looked for."""


app = typer.Typer(
    help="How PodCliqueSets and their gangs are doing.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
Namespace = Annotated[
    str | None,
    typer.Option("--namespace", "-n", help="Default: that of the kubeconfig's context."),
]
Everywhere = Annotated[bool, typer.Option("--all-namespaces", "-A", help="Look at all of them.")]
Kubeconfig = Annotated[str | None, typer.Option(help="Default: KUBECONFIG, or ~/.kube/config.")]
Context = Annotated[str | None, typer.Option(help="Context of the kubeconfig.")]


@dataclass(frozen=True)
class Scope:
    """Which cluster, and which namespace of it; None for all."""

    options: ClientOptions
    namespace: str | None

    @classmethod
    def of(
        cls, kubeconfig: str | None, context: str | None, namespace: str | None, *, everywhere: bool
    ) -> "Scope":
        options = ClientOptions(kubeconfig=kubeconfig, context=context, tries=1)
        return cls(options, None if everywhere else namespace or own_namespace(options))

    @property
    def words(self) -> str:
        return f"namespace {self.namespace}" if self.namespace else "any namespace"


@app.callback()
def root(
    _version: Annotated[
        bool,
        typer.Option(
            "--version", callback=shows_version("kubectl-grove"), help="Print the version."
        ),
    ] = False,
) -> None:
    """Hold the options that stand before a command."""


@app.command()
def why(
    name: Annotated[
        str | None,
        typer.Argument(help="A set, gang, scaling group, clique or pod, also as kind/name."),
    ] = None,
    output: Annotated[Output, typer.Option("--output", "-o", help="Form of the result.")] = (
        Output.TEXT
    ),
    namespace: Namespace = None,
    all_namespaces: Everywhere = False,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
) -> None:
    """Say in one sentence why something does not run, or that it does. Without a name: of all sets.

    Exits with 1 if any of it is blocked or cannot be carried out.
    """
    scope = Scope.of(kubeconfig, context, namespace, everywhere=all_namespaces)
    answers = _ask(scope, lambda api: _answers(api, scope, name))
    _print_answers(answers, output, everywhere=scope.namespace is None)
    raise typer.Exit(int(any(item.state in TROUBLES for item in answers)))


@app.command()
def tree(
    name: Annotated[str | None, typer.Argument(help="A set; without it all of them.")] = None,
    watch: Annotated[
        bool, typer.Option("--watch", "-w", help="Go on drawing until interrupted.")
    ] = False,
    namespace: Namespace = None,
    all_namespaces: Everywhere = False,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
) -> None:
    """Draw sets with their gangs, cliques and pods, and say why a gang is blocked."""
    scope = Scope.of(kubeconfig, context, namespace, everywhere=all_namespaces)
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 1000)
    if not watch:
        console.print(_draw(_ask(scope, lambda api: _pictures(api, scope, name))))
        return
    try:
        _ask(scope, lambda api: _keep_drawing(api, scope, name, console))
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None


def _ask(scope: Scope, question: Callable[[Api], Awaitable[T]]) -> T:
    async def ask() -> T:
        async with await Api.connect(scope.options) as api:
            return await question(api)

    try:
        return asyncio.run(ask())
    except NotFoundError as error:
        typer.echo(f"the cluster knows no such objects; is Grove installed? ({error})", err=True)
    except GroveError as error:
        typer.echo(str(error), err=True)
    raise typer.Exit(2)


async def _answers(api: Api, scope: Scope, name: str | None) -> list[Answer]:
    if name is None:
        found = await read_sets(api, scope.namespace)
        return [answer(item.podcliqueset, item) for item in found]
    resource, plain = _named(name)
    if scope.namespace is None:
        raise NothingFoundError("a name needs a namespace: use -n instead of -A")
    subject = await read_subject(api, scope.namespace, resource, plain)
    if subject is None:
        raise NothingFoundError(
            f"{name}: no {resource.kind if resource else 'part of a PodCliqueSet'} of that name "
            f"in {scope.words}"
        )
    return [answer(*subject)]


def _named(name: str) -> tuple[Resource | None, str]:
    kind, slash, plain = name.rpartition("/")
    if not slash:
        return None, plain
    resource = KINDS.get(kind.partition(".")[0].lower())
    if resource is None:
        known = ", ".join(dict.fromkeys(item.kind for item in KINDS.values()))
        raise NothingFoundError(f"{name}: {kind} is none of {known}")
    return resource, plain


def _print_answers(answers: list[Answer], output: Output, *, everywhere: bool) -> None:
    if output is Output.JSON:
        typer.echo(json.dumps([asdict(item) for item in answers], indent=2))
        return
    if not answers:
        typer.echo(_NONE)
    for item in answers:
        typer.echo(f"{item.namespace}: {item.sentence}" if everywhere else item.sentence)


async def _pictures(api: Api, scope: Scope, name: str | None) -> list[Picture]:
    plain = None if name is None else _named(name)[1]
    found, racks = await asyncio.gather(read_sets(api, scope.namespace, plain), read_racks(api))
    if name is not None and not found:
        raise NothingFoundError(f"{name}: no PodCliqueSet of that name in {scope.words}")
    return [picture_of(replace(item, nodes=racks)) for item in found]


def _draw(pictures: list[Picture]) -> Group:
    if not pictures:
        return Group(Text(_NONE))
    return Group(*(build_tree(picture, reasons=True) for picture in pictures))


async def _keep_drawing(api: Api, scope: Scope, name: str | None, console: Console) -> None:
    """In place on a terminal; elsewhere, as in a pipe, once for each change."""
    before: list[Picture] | None = None
    live = Live(console=console, auto_refresh=False, vertical_overflow="crop")
    with live if console.is_terminal else nullcontext():
        while True:
            pictures = await _pictures(api, scope, name)
            if console.is_terminal:
                live.update(_draw(pictures), refresh=True)
            elif pictures != before:
                console.print(_draw(pictures))
            before = pictures
            await asyncio.sleep(LOOK_EVERY)


def main() -> None:
    # What libraries log would stand beside the one sentence; errors are told by us.
    logging.getLogger().addHandler(logging.NullHandler())
    app(prog_name="kubectl grove")


if __name__ == "__main__":
    main()
