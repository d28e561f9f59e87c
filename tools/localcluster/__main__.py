"""Command line of the local cluster: up, down, status, binaries."""

import argparse
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tools.localcluster.acquire import Binaries, ensure
from tools.localcluster.cluster import LocalCluster, remove, sweep
from tools.localcluster.configuration import ClusterOptions
from tools.localcluster.errors import ClusterError, LocalClusterError
from tools.localcluster.layout import Layout, cluster_names
from tools.localcluster.nodes import NodeShape
from tools.localcluster.toolsets import CONTROL_PLANE, HELM, TOOLS_FOLDER, TOOLSETS

LOCAL = TOOLS_FOLDER.parent / ".local"
DEFAULT_WORKDIR = LOCAL / "kwok"
DEFAULT_NAME = "grove"

_LINKED = {HELM.name: ("helm",)}
"""Programs of further tool sets that people use by hand, linked once they are there."""


def main(argv: Sequence[str] | None = None) -> int:
    # A polite kill ends like Ctrl-C: what was begun is undone.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    args = _parser().parse_args(argv)
    try:
        code: int = args.run(args)
    except LocalClusterError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped; the next run continues where this one was", file=sys.stderr)
        return 130
    return code


def up(args: argparse.Namespace) -> int:
    start = time.monotonic()
    cluster = LocalCluster.open(args.name, args.workdir)
    if cluster is not None:
        if args.kubeconfig and args.kubeconfig.absolute() != cluster.kubeconfig:
            raise ClusterError(f"cluster {args.name} is already up with {cluster.kubeconfig}")
        print(f"cluster {args.name} is already up")
        if started := cluster.repair():
            print(f"started again: {', '.join(started)}")
    else:
        options = ClusterOptions(audit=args.audit, metrics_server=args.metrics_server)
        cluster = LocalCluster.create(
            args.name, args.workdir, options, kubeconfig=args.kubeconfig or _kubeconfig(args.name)
        )
        print(f"cluster {args.name} is up after {time.monotonic() - start:.1f} s")
    if args.nodes:
        made = cluster.create_nodes(args.nodes, _shape(args))
        print(f"{args.nodes} simulated nodes are ready, {made} of them new")
    _link_programs()
    print(f"export KUBECONFIG={cluster.kubeconfig}")
    return 0


def down(args: argparse.Namespace) -> int:
    for name in sweep():
        print(f"cluster {name}, whose owner had died, is gone")
    names = list(cluster_names(args.workdir)) if args.all else [args.name]
    for name in names:
        there = name in cluster_names(args.workdir)
        remove(Layout(args.workdir.absolute(), name))
        print(f"cluster {name} is gone" if there else f"cluster {name} was not there")
    return 0


def status(args: argparse.Namespace) -> int:
    names = list(cluster_names(args.workdir))
    if not names:
        print("no clusters")
    for name in names:
        cluster = LocalCluster.open(name, args.workdir)
        if cluster is None:
            print(f"{name}: not running; `down --name {name}` removes what is left of it")
            continue
        running = ", ".join(f"{part} {pid}" for part, pid in sorted(cluster.components().items()))
        print(f"{name}: {cluster.kubeconfig}\n  {running}")
    return 0 if names else 1


def binaries(args: argparse.Namespace) -> int:
    for name in (CONTROL_PLANE.name, *args.extra):
        toolset = TOOLSETS[name]
        found = ensure(toolset)
        print(f"{name}: {found.folder} ({found.source})")
        if name in _LINKED:
            _link(found, _LINKED[name])
        for binary in toolset.binaries:
            print(f"  {binary}")
    return 0


def _shape(args: argparse.Namespace) -> NodeShape:
    return NodeShape(
        zones=args.zones,
        blocks=max(args.blocks, args.zones),
        racks=max(args.racks, args.blocks, args.zones),
        gpus=args.gpus,
        cpu=args.cpu,
        memory=args.memory,
        pods=args.pods,
    )


def _kubeconfig(name: str) -> Path:
    return LOCAL / ("kubeconfig" if name == DEFAULT_NAME else f"kubeconfig-{name}")


def _link_programs() -> None:
    """Put kubectl, kwokctl and our plugin where `PATH=.local/bin:$PATH` finds them."""
    _link(ensure(CONTROL_PLANE), ("kubectl", "kwokctl"))
    plugin = Path(sys.executable).with_name("kubectl-grove")
    if plugin.exists():
        _link({plugin.name: plugin}, (plugin.name,))


def _link(found: Binaries | dict[str, Path], programs: Sequence[str]) -> None:
    folder = LOCAL / "bin"
    folder.mkdir(parents=True, exist_ok=True)
    for program in programs:
        link = folder / program
        link.unlink(missing_ok=True)
        link.symlink_to(found[program])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tools.localcluster",
        description="A real Kubernetes control plane with simulated nodes, as plain processes.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    place = argparse.ArgumentParser(add_help=False)
    place.add_argument("--workdir", type=Path, default=DEFAULT_WORKDIR, help="folder of clusters")
    named = argparse.ArgumentParser(add_help=False)
    named.add_argument("--name", default=DEFAULT_NAME, help="name of the cluster")

    start = commands.add_parser("up", parents=[named, place], help="start a cluster")
    start.set_defaults(run=up)
    start.add_argument("--kubeconfig", type=Path, help="file to write (default under .local)")
    start.add_argument("--audit", action="store_true", help="log every write request")
    start.add_argument("--metrics-server", action="store_true", help="serve simulated usage")
    _add_node_flags(start.add_argument_group("simulated nodes"))

    stop = commands.add_parser("down", parents=[named, place], help="remove a cluster")
    stop.set_defaults(run=down)
    stop.add_argument("--all", action="store_true", help="every cluster of the work folder")

    show = commands.add_parser("status", parents=[place], help="list clusters")
    show.set_defaults(run=status)

    make = commands.add_parser("binaries", help="find or make the binaries, say where they are")
    make.set_defaults(run=binaries)
    extra = sorted(set(TOOLSETS) - {CONTROL_PLANE.name})
    make.add_argument(
        "--with", dest="extra", action="append", default=[], choices=extra, help="one more tool set"
    )
    return parser


def _add_node_flags(group: argparse._ArgumentGroup) -> None:
    shape = NodeShape()
    group.add_argument("--nodes", type=int, default=0, help="how many")
    group.add_argument("--racks", type=int, default=shape.racks)
    group.add_argument("--blocks", type=int, default=shape.blocks)
    group.add_argument("--zones", type=int, default=shape.zones)
    group.add_argument("--gpus", type=int, default=shape.gpus, help="nvidia.com/gpu of each")
    group.add_argument("--cpu", default=shape.cpu)
    group.add_argument("--memory", default=shape.memory)
    group.add_argument("--pods", type=int, default=shape.pods)


if __name__ == "__main__":
    sys.exit(main())
