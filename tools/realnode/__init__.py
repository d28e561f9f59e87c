"""A real node for the local control plane: containers run, Services answer, images are built.

What simulated nodes cannot show is shown here: start order, probes, signals, the images
themselves. Needs Linux, root and a few Debian packages; `prerequisites.lacking` says what is
missing. Command line: `python -m tools.realnode --help`.
"""

from tools.realnode.errors import RealNodeError
from tools.realnode.images import Built, ImageShop
from tools.realnode.node import RealNode
from tools.realnode.prerequisites import lacking

__all__ = ["Built", "ImageShop", "RealNode", "RealNodeError", "lacking"]
