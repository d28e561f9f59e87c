"""How large a PodCliqueSet may be.

Grove has no limit. Ours is far beyond what a cluster runs, and keeps what one user writes from
taking all of the memory of the process that serves everybody.
"""

from typing import Final

MOST_PODS: Final = 100_000
"""Pods of one PodCliqueSet; also the most replicas of anything in it."""
