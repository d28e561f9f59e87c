"""What can go wrong with the real node; texts are for the person at the keyboard."""

from tools.localcluster.errors import LocalClusterError


class RealNodeError(LocalClusterError):
    """A program failed or something did not come up; the message shows the end of its log."""
