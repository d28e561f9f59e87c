"""`python -m tools.demo` and `python -m tools.demo --down`."""

import argparse
import sys
from collections.abc import Sequence

from rich.console import Console

from tools.demo.background import BackgroundError
from tools.demo.story import Demo, DemoError, take_down
from tools.localcluster import LocalClusterError


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tools.demo",
        description="A local cluster, the operator and an example, ready to look at.",
    )
    parser.add_argument(
        "--down", action="store_true", help="stop operator and webhook, remove the cluster"
    )
    args = parser.parse_args(argv)
    console = Console()
    try:
        if args.down:
            take_down(console)
        else:
            Demo(console).run()
    except (LocalClusterError, BackgroundError, DemoError) as error:
        console.print(f"\n[red]The demo stopped:[/] {error}", highlight=False, soft_wrap=True)
        console.print("`make demo` tries again; `make demo-down` removes what is there.")
        return 1
    except KeyboardInterrupt:
        console.print("\nInterrupted. `make demo` goes on, `make demo-down` removes what is there.")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
