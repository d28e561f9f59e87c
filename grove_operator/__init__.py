"""Grove operator: PodCliqueSets in, gangs of pods out."""

__version__ = "0.1.0"
