"""Command line of the real node: check, images, up, down.

`up` stays in the foreground: the node goes when the command is interrupted.
"""

import argparse
import signal
import sys
from collections.abc import Sequence

from tools.localcluster import LocalClusterError
from tools.localcluster.__main__ import LOCAL
from tools.localcluster.cluster import sweep
from tools.realnode.images import BUSYBOX_IMAGE, ImageShop
from tools.realnode.layout import NodeLayout
from tools.realnode.node import RealNode, only_one
from tools.realnode.prerequisites import lacking
from tools.realnode.remains import remove_node

WORKDIR = LOCAL / "realnode"
TARGETS = ("operator", "initc")
TAG = "local"


def main(argv: Sequence[str] | None = None) -> int:
    # A polite kill ends like Ctrl-C: what was begun is undone.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    parser = argparse.ArgumentParser(
        prog="python -m tools.realnode",
        description="A local control plane with one node that runs containers.",
    )
    commands = {"check": check, "images": images, "up": up, "down": down}
    parser.add_argument("command", choices=commands)
    try:
        return commands[parser.parse_args(argv).command]()
    except LocalClusterError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def check() -> int:
    reason = lacking()
    print(f"no real node here: {reason}" if reason else "a real node can run here")
    return 1 if reason else 0


def images() -> int:
    shop = ImageShop(WORKDIR / "images")
    print(f"base image: {shop.base()}")
    for target in TARGETS:
        built = shop.project(target, TAG)
        print(
            f"{built.name}: {built.seconds:.1f} s, {built.unpacked / 1e6:.0f} MB unpacked, "
            f"{built.packed / 1e6:.0f} MB packed, {built.archive}"
        )
    return 0


def up() -> int:
    shop = ImageShop(WORKDIR / "images")
    shop.base()
    with RealNode.start(WORKDIR, shop) as node:
        for target in TARGETS:
            built = shop.project(target, TAG)
            node.load(built.name, built.archive)
            print(f"image {built.name}")
        node.load(BUSYBOX_IMAGE, shop.busybox())
        print(f"image {BUSYBOX_IMAGE}")
        print(f"export KUBECONFIG={node.cluster.kubeconfig}\nCtrl-C ends it", flush=True)
        signal.pause()
    return 0


def down() -> int:
    layout = NodeLayout()
    with only_one(layout):
        remove_node(layout)
    sweep()
    print("nothing of a real node is left")
    return 0


if __name__ == "__main__":
    sys.exit(main())
