"""`python -m bench --pods 1000`: measures, prints a table, writes JSON."""

import argparse
import signal
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import uvloop
from rich.console import Console

from bench.measure import Measurement
from bench.operator import OperatorFailedError
from bench.report import print_report, write_json
from bench.run import IDLE_SECONDS, Plan, bench_cluster, measure_all
from bench.shapes import PLAIN_SHAPES, SHAPES
from bench.wire import RefusedError
from tools.localcluster import LocalClusterError

RESULTS = Path(__file__).parent / "results"


def main(argv: Sequence[str] | None = None) -> int:
    args = parser().parse_args(argv)
    # Whoever ends the benchmark politely must not leave its cluster behind.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    console = Console(width=None if sys.stdout.isatty() else 140)
    chosen = PLAIN_SHAPES if args.shape == "all" else (SHAPES[args.shape],)
    plan = Plan(
        chosen,
        args.pods,
        floors=not args.no_floors,
        idle_seconds=args.idle,
        update=args.update,
    )
    try:
        results = _measure(plan, console)
    except (LocalClusterError, OperatorFailedError, RefusedError, TimeoutError) as error:
        console.print(f"[red]the benchmark failed:[/red] {error}", highlight=False)
        return 1
    except KeyboardInterrupt:
        console.print("stopped; its cluster is removed")
        return 130
    print_report(results, console)
    stamp = f"{datetime.now().astimezone():%Y%m%d-%H%M%S}"
    path = args.json or RESULTS / f"{stamp}-{args.shape}-{args.pods}.json"
    write_json(results, path)
    console.print(f"\nwritten to {path}", highlight=False, soft_wrap=True)
    return 0


def _measure(plan: Plan, console: Console) -> list[Measurement]:
    console.print(f"starting a cluster for {plan.pods} pods")
    with bench_cluster(plan) as cluster:
        return uvloop.run(measure_all(cluster, plan, console.print))


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description="Measures the operator against the same objects posted without one.",
    )
    parser.add_argument("--pods", type=int, default=1000, help="about how many (default 1000)")
    parser.add_argument(
        "--shape",
        choices=[*SHAPES, "all"],
        default="all",
        help="all means flat and disagg; topology needs nodes of its own kind",
    )
    parser.add_argument("--json", type=Path, help="file to write (default under bench/results)")
    parser.add_argument("--no-floors", action="store_true", help="measure the operator only")
    parser.add_argument(
        "--update", action="store_true", help="measure a rolling update as well: minutes more"
    )
    parser.add_argument(
        "--idle", type=float, default=IDLE_SECONDS, help="seconds to look for idle writes"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
