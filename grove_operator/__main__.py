"""The command line: the processes, what needs no cluster (plan, lint), and what is made from code.

Exit codes: 0 fine, 1 a manifest or generated file is wrong, 2 wrong arguments or configuration or
a file that cannot be read, 4 could not start, 6 died while running.
"""

import sys
from pathlib import Path
from typing import Annotated

import typer

from grove_operator import __version__
from grove_operator.api.rights import CERTIFICATE, LEASE, Condition
from grove_operator.cli.outputs import LintOutput, PlanOutput
from grove_operator.cli.version import shows_version

app = typer.Typer(
    help="Runs multi-node AI inference on Kubernetes: PodCliqueSets become gangs of pods.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
Configuration = Annotated[
    Path | None, typer.Option(help="File in the form of Grove's OperatorConfiguration.")
]
Kubeconfig = Annotated[
    str | None,
    typer.Option(help="How to reach the cluster; default: KUBECONFIG, or the pod's account."),
]


@app.callback()
def root(
    _version: Annotated[
        bool,
        typer.Option(
            "--version", "-v", callback=shows_version("grove-operator"), help="Print the version."
        ),
    ] = False,
) -> None:
    """Hold the options that stand before a command."""


@app.command()
def run(config: Configuration = None, kubeconfig: Kubeconfig = None) -> None:
    """Run the operator until it is told to stop."""
    from grove_operator.operator.app import main as run_operator

    raise typer.Exit(run_operator(config, kubeconfig))


@app.command()
def webhook(config: Configuration = None, kubeconfig: Kubeconfig = None) -> None:
    """Serve admission: defaults, validation and, if switched on, protection of children."""
    from grove_operator.webhook.app import main as run_webhook

    raise typer.Exit(run_webhook(config, kubeconfig))


@app.command()
def registration(
    url: Annotated[
        str | None, typer.Option(help="Base address of the webhooks, https://host:port.")
    ] = None,
    service: Annotated[
        str | None, typer.Option(help="Service that leads to them, namespace/name:port.")
    ] = None,
    authorizer: Annotated[
        bool, typer.Option(help="Whether the operator's children are protected, too.")
    ] = False,
) -> None:
    """Print the webhook configurations, ready for kubectl apply."""
    from grove_operator.cli.registration import print_registration
    from grove_operator.errors import SettingsError

    try:
        print_registration(sys.stdout, url, service, authorizer=authorizer)
    except SettingsError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from error


@app.command()
def plan(
    files: Annotated[
        list[str],
        typer.Argument(help="Manifests, or directories of them; - reads stdin."),
    ],
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
    init_container_image: Annotated[
        str,
        typer.Option(
            envvar="GROVE_INIT_CONTAINER_IMAGE", help="Image by which pods wait for others."
        ),
    ] = "grove-initc",
) -> None:
    """Print every object that PodCliqueSets become. Needs no cluster.

    Only ControllerRevisions are left out: they repeat the set. Defaults are filled in first, as by
    the webhook, and the cluster counts as one that has everything; topology is on if the manifests
    hold ClusterTopologyBindings. Exits with 1, and says why, if something would be refused, is no
    PodCliqueSet or has more pods than anybody reads, 2 if a file cannot be read.
    """
    from grove_operator.cli.planning import MadeUpCluster, run_plan
    from grove_operator.desired.startorder import image_reference

    waiter = image_reference(init_container_image, __version__)
    raise typer.Exit(run_plan(files, MadeUpCluster(native_gangs, waiter), output, namespace))


@app.command()
def lint(
    files: Annotated[
        list[str],
        typer.Argument(help="Manifests, or directories of them; - reads stdin."),
    ],
    output: Annotated[LintOutput, typer.Option("--output", "-o", help="Form of the result.")] = (
        LintOutput.TEXT
    ),
    config: Annotated[
        Path | None,
        typer.Option(help="The operator's configuration; without it all features count as on."),
    ] = None,
    strict: Annotated[bool, typer.Option(help="Exit with 1 on warnings, too.")] = False,
    namespace: Annotated[
        str, typer.Option("--namespace", "-n", help="For sets that name none.")
    ] = "default",
) -> None:
    """Say what admission would say of PodCliqueSets and ClusterTopologyBindings. Needs no cluster.

    Without --config the cluster counts as one that has everything: all four schedulers, topology
    and multi-node NVLink. Exits with 0 if all is fine or there are only warnings, 1 if something
    would be refused, 2 if a file cannot be read.
    """
    from grove_operator.cli.lint import run_lint
    from grove_operator.errors import SettingsError

    try:
        code = run_lint(files, output, config, namespace, strict=strict)
    except SettingsError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from error
    raise typer.Exit(code)


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
            typer.echo(difference, err=True)
        raise typer.Exit(1 if differences else 0)
    for path in write_crds(directory):
        typer.echo(str(path))


@app.command("install-crds")
def install_crds(
    kubeconfig: Kubeconfig = None,
    timeout: Annotated[float, typer.Option(min=0.0, help="Seconds to wait for each CRD.")] = 60.0,
) -> None:
    """Put the CustomResourceDefinitions of this version into the cluster, or upgrade them there."""
    from grove_operator.cli.installing import install_crds as install

    raise typer.Exit(install(kubeconfig, timeout, sys.stdout, sys.stderr))


@app.command()
def rbac(
    namespace: Annotated[
        str, typer.Option("--namespace", "-n", help="Where the operator runs.")
    ] = "grove-system",
    service_account: Annotated[
        str, typer.Option(help="Account of the operator, and of the webhook process.")
    ] = "grove-operator",
    webhook_service_account: Annotated[
        str | None, typer.Option(help="Account of the webhook process, if it has its own.")
    ] = None,
    conditions: Annotated[
        list[Condition] | None,
        typer.Option("--with", help="What is switched on; may be repeated."),
    ] = None,
    lease: Annotated[str, typer.Option(help="Name of the leader election's lease.")] = LEASE,
    certificate_secret: Annotated[
        str, typer.Option(help="Name of the Secret with the webhooks' certificate.")
    ] = CERTIFICATE,
) -> None:
    """Print the roles that the operator and the webhook process need, and their bindings."""
    from grove_operator.cli.rbac import Deployment, print_rbac

    deployment = Deployment(
        namespace,
        service_account,
        webhook_service_account or service_account,
        tuple(conditions or ()),
        {LEASE: lease, CERTIFICATE: certificate_secret},
    )
    print_rbac(sys.stdout, deployment)


def main() -> None:
    app()


if __name__ == "__main__":
    main()
