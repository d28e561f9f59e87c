"""One measured run, as numbers; knows nothing of how they came about."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

GOALS = ("created", "placed", "ready", "available", "gone")
UPDATED = "updated"
"""A goal of its own, counted from the change of the template."""


@dataclass
class Measurement:
    """Seconds to each goal; `gone` counts from the deletion, the others from the first request."""

    shape: str
    who: str
    pods: int
    seconds: dict[str, float] = field(default_factory=dict)
    writes_up: Counter[tuple[str, str]] = field(default_factory=Counter)
    writes_idle: Counter[tuple[str, str]] = field(default_factory=Counter)
    writes_update: Counter[tuple[str, str]] = field(default_factory=Counter)
    writes_down: Counter[tuple[str, str]] = field(default_factory=Counter)
    refused: Counter[tuple[str, str]] = field(default_factory=Counter)
    metrics_writes_up: int = 0
    cpu_up: float = 0.0
    """User and system seconds of the operator's process until the set was available."""
    scheduler_cpu: float = 0.0
    """The same of kube-scheduler; 0 where it was not measured."""
    cpu_update: float = 0.0
    memory_peak: int = 0
    """Bytes; the kernel's high-water mark of the whole run."""

    @property
    def is_operator(self) -> bool:
        return self.cpu_up > 0

    def note(self, goal: str, start: float, reached: float) -> None:
        self.seconds[goal] = reached - start

    def per_pod(self, writes: Counter[tuple[str, str]]) -> float:
        return writes.total() / self.pods

    def as_json(self) -> dict[str, Any]:
        return {
            "shape": self.shape,
            "who": self.who,
            "pods": self.pods,
            "seconds": {goal: round(value, 3) for goal, value in self.seconds.items()},
            "writesUp": _flat(self.writes_up),
            "writesIdle": _flat(self.writes_idle),
            "writesUpdate": _flat(self.writes_update),
            "writesDown": _flat(self.writes_down),
            "refused": _flat(self.refused),
            "metricsWritesUp": self.metrics_writes_up,
            "cpuSecondsUp": round(self.cpu_up, 3),
            "schedulerCpuSecondsUp": round(self.scheduler_cpu, 3),
            "cpuSecondsUpdate": round(self.cpu_update, 3),
            "memoryPeakBytes": self.memory_peak,
        }


def _flat(writes: Counter[tuple[str, str]]) -> dict[str, int]:
    return {f"{verb} {resource}": count for (verb, resource), count in sorted(writes.items())}
