"""What the dashboard shows: one screen of health, work and trouble.

Owns titles, queries and units, and nothing of Grafana's form. `$__rate_interval` and `$__range` are
Grafana's variables; whoever asks Prometheus directly puts durations in their place.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

RATE: Final = "$__rate_interval"
RANGE: Final = "$__range"


@dataclass(frozen=True)
class Target:
    """One query; `legend` names its series by their labels."""

    query: str
    legend: str

    def asked_over(self, rate: str, whole: str) -> str:
        """The query with durations for Grafana's variables."""
        return self.query.replace(RATE, rate).replace(RANGE, whole)

    def name(self, labels: Mapping[str, str]) -> str:
        """The legend of one series."""
        text = self.legend
        for key, value in labels.items():
            text = text.replace("{{" + key + "}}", value)
        return text


@dataclass(frozen=True)
class Panel:
    """`number` panels show the last value of one query, others lines."""

    title: str
    text: str
    unit: str
    targets: tuple[Target, ...]
    number: bool = False


@dataclass(frozen=True)
class Row:
    title: str
    panels: tuple[Panel, ...]


def _metric(name: str) -> str:
    return f"grove_operator_{name}"


def _rate(name: str, by: str, selector: str = "") -> str:
    return f"sum by ({by}) (rate({_metric(name)}{selector}[{RATE}]))"


def _quantile(share: float, name: str, *, by: str = "", over: str = RATE) -> str:
    grouped = f"{by}, le" if by else "le"
    return f"histogram_quantile({share}, sum by ({grouped}) (rate({_metric(name)}_bucket[{over}])))"


def _number(title: str, text: str, unit: str, query: str) -> Panel:
    return Panel(title, text, unit, (Target(query, title),), number=True)


_PODS: Final = '{kind="PodClique"}'
_WRITES: Final = '{verb=~"create|update|patch|delete"}'

HEALTH: Final = Row(
    "Health",
    (
        _number("Leaders", "Should be 1.", "none", f"sum({_metric('leader')})"),
        _number(
            "Processes",
            "Operators and webhooks, as scraped.",
            "none",
            f"count({_metric('leader')})",
        ),
        _number(
            "Pods ready",
            "Of the pods that PodCliques ask for.",
            "percentunit",
            f"sum({_metric('replicas_available')}{_PODS})"
            f" / sum({_metric('replicas_wanted')}{_PODS})",
        ),
        _number(
            "Longest pending gang",
            "The one that waits longest.",
            "s",
            f"max({_metric('gang_oldest_pending_seconds')})",
        ),
        _number(
            "Stalest cache",
            "Should stay below 60 s.",
            "s",
            f"max({_metric('informer_age_seconds')})",
        ),
        _number(
            "Certificate ends in",
            "The first one of the webhooks'.",
            "s",
            f"min({_metric('webhook_certificate_expiry_timestamp_seconds')} > 0) - time()",
        ),
    ),
)

WORK: Final = Row(
    "Work",
    (
        Panel(
            "Gangs by phase",
            "Pending until placed, Starting until ready, then Running.",
            "none",
            (Target(f"sum by (phase) ({_metric('gangs')})", "{{phase}}"),),
        ),
        Panel(
            "Replicas wanted and available",
            "Of a PodClique, replicas are pods.",
            "none",
            (
                Target(f"sum by (kind) ({_metric('replicas_wanted')})", "{{kind}} wanted"),
                Target(f"sum by (kind) ({_metric('replicas_available')})", "{{kind}} available"),
            ),
        ),
        Panel(
            "Creation of a gang until placed and until ready",
            "Over the time that the dashboard shows.",
            "s",
            (
                Target(_quantile(0.5, "gang_scheduled_seconds", over=RANGE), "placed, half"),
                Target(_quantile(0.95, "gang_scheduled_seconds", over=RANGE), "placed, 95 %"),
                Target(_quantile(0.5, "gang_ready_seconds", over=RANGE), "ready, half"),
                Target(_quantile(0.95, "gang_ready_seconds", over=RANGE), "ready, 95 %"),
            ),
        ),
        Panel(
            "Passes by outcome",
            "Of the reconciler, per second.",
            "ops",
            (Target(_rate("reconcile_total", "outcome"), "{{outcome}}"),),
        ),
        Panel(
            "Own writes by kind",
            "Requests to the API server that change something, per second.",
            "reqps",
            (Target(_rate("api_requests_total", "kind", _WRITES), "{{kind}}"),),
        ),
        Panel(
            "Admission by outcome",
            "Reviews per second.",
            "reqps",
            (Target(_rate("admission_reviews_total", "outcome"), "{{outcome}}"),),
        ),
    ),
)

TROUBLE: Final = Row(
    "Trouble",
    (
        Panel(
            "Gangs and minimums",
            "Gangs that were ready and are not, objects below minAvailable, sets refused, updates.",
            "none",
            (
                Target(f"sum({_metric('gangs_unhealthy')})", "unhealthy gangs"),
                Target(
                    f"sum by (kind) ({_metric('min_available_breached')})",
                    "{{kind}} below its minimum",
                ),
                Target(f"sum({_metric('sets_rejected')})", "rejected sets"),
                Target(f"sum by (state) ({_metric('updates')})", "updates {{state}}"),
            ),
        ),
        Panel(
            "Errors",
            "Of passes, by kind and reason, per second.",
            "ops",
            (Target(_rate("errors_total", "kind, reason"), "{{kind}} {{reason}}"),),
        ),
        Panel(
            "Requests that failed",
            "By HTTP code, per second; 0 is no answer, 404 and 409 are ordinary.",
            "reqps",
            (
                Target(
                    _rate("api_requests_total", "code", '{code!~"2..|404|409"}'), "code {{code}}"
                ),
                Target(_rate("api_retries_total", "verb"), "{{verb}} sent again"),
            ),
        ),
        Panel(
            "Queue",
            "Keys that are ready, and how long they wait.",
            "none",
            (
                Target(f"sum({_metric('queue_depth_keys')})", "waiting keys"),
                Target(f"max({_metric('queue_oldest_wait_seconds')})", "longest wait now, s"),
                Target(f"max({_metric('queue_longest_pass_seconds')})", "longest pass now, s"),
                Target(_quantile(0.9, "queue_wait_seconds"), "wait, 90 %, s"),
            ),
        ),
        Panel(
            "Duration of passes",
            "From snapshot to status.",
            "s",
            (
                Target(_quantile(0.5, "reconcile_duration_seconds", by="kind"), "{{kind}}, half"),
                Target(_quantile(0.99, "reconcile_duration_seconds", by="kind"), "{{kind}}, 99 %"),
            ),
        ),
        Panel(
            "Waiting for answers",
            "99 % of requests to the API server, and of reviews by the webhooks, were faster.",
            "s",
            (
                Target(_quantile(0.99, "api_request_duration_seconds", by="verb"), "{{verb}}"),
                Target(
                    _quantile(0.99, "admission_review_duration_seconds", by="webhook"),
                    "{{webhook}}",
                ),
            ),
        ),
    ),
)

ROWS: Final = (HEALTH, WORK, TROUBLE)


def targets() -> list[tuple[Panel, Target]]:
    """Every query with its panel."""
    return [(panel, item) for row in ROWS for panel in row.panels for item in panel.targets]
