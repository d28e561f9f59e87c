"""Every metric of the operator: its name, labels, unit and help text.

Owns one registry, so that tests and a second process never share numbers. Labels are bounded
(kind, verb, code, outcome, reason), never an object's name. The helper functions count and
observe; they decide nothing. Called by the layers that do I/O; imports nothing of ours.
"""

from collections.abc import Mapping
from typing import Final

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)

CONTENT_TYPE: Final = CONTENT_TYPE_LATEST
REGISTRY: Final = CollectorRegistry(auto_describe=True)
ProcessCollector(registry=REGISTRY)
PlatformCollector(registry=REGISTRY)

_FAST: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_LONG: Final = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600, 7200)
_SLOW: Final = (0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)

_RECONCILES: Final = Counter(
    "grove_operator_reconcile_total",
    "Finished reconcile passes, by the kind of the root object and how the pass ended.",
    ("kind", "outcome"),
    registry=REGISTRY,
)
_RECONCILE_SECONDS: Final = Histogram(
    "grove_operator_reconcile_duration_seconds",
    "How long one reconcile pass took, from snapshot to status.",
    ("kind",),
    buckets=_SLOW,
    registry=REGISTRY,
)
_ERRORS: Final = Counter(
    "grove_operator_errors_total",
    "Errors met while working on an object, by its kind and the reason.",
    ("kind", "reason"),
    registry=REGISTRY,
)
_QUEUE_DEPTH: Final = Gauge(
    "grove_operator_queue_depth_keys",
    "Keys that are ready and wait for a worker.",
    registry=REGISTRY,
)
_QUEUE_WAIT: Final = Histogram(
    "grove_operator_queue_wait_seconds",
    "How long a ready key waited for a worker.",
    buckets=_SLOW,
    registry=REGISTRY,
)
_QUEUE_WORK: Final = Histogram(
    "grove_operator_queue_work_seconds",
    "How long a worker was busy with one key.",
    buckets=_SLOW,
    registry=REGISTRY,
)
_QUEUE_OLDEST: Final = Gauge(
    "grove_operator_queue_oldest_wait_seconds",
    "How long the first of the ready keys has waited for a worker; 0 on a standby.",
    registry=REGISTRY,
)
_QUEUE_LONGEST: Final = Gauge(
    "grove_operator_queue_longest_pass_seconds",
    "How long the longest of the passes that are under way has taken so far.",
    registry=REGISTRY,
)
_QUEUE_RETRIES: Final = Counter(
    "grove_operator_queue_retries_total",
    "Keys put back with back-off after a failure.",
    registry=REGISTRY,
)
_GANGS: Final = Gauge(
    "grove_operator_gangs",
    "PodGangs, by phase: Pending until placed, Starting until ready, then Running. A standby says "
    "0 here, as in all gauges of gangs, replicas and sets.",
    ("phase",),
    registry=REGISTRY,
)
_GANGS_UNHEALTHY: Final = Gauge(
    "grove_operator_gangs_unhealthy",
    "PodGangs that were ready and are not any more: their condition Unhealthy is True.",
    registry=REGISTRY,
)
_GANG_OLDEST_PENDING: Final = Gauge(
    "grove_operator_gang_oldest_pending_seconds",
    "How long the PodGang that waits longest has not been placed; 0 while none waits.",
    registry=REGISTRY,
)
_GANG_SCHEDULED: Final = Histogram(
    "grove_operator_gang_scheduled_seconds",
    "Time from the creation of a PodGang until it was placed for the first time. Kubernetes notes "
    "creations to the second, so values may be up to one second too long.",
    buckets=_LONG,
    registry=REGISTRY,
)
_GANG_READY: Final = Histogram(
    "grove_operator_gang_ready_seconds",
    "Time from the creation of a PodGang until it was ready for the first time.",
    buckets=_LONG,
    registry=REGISTRY,
)
_WANTED: Final = Gauge(
    "grove_operator_replicas_wanted",
    "Replicas that specs ask for, summed by kind: PodCliqueSet, PodCliqueScalingGroup, and "
    "PodClique, whose replicas are pods.",
    ("kind",),
    registry=REGISTRY,
)
_AVAILABLE: Final = Gauge(
    "grove_operator_replicas_available",
    "Replicas that are available, summed by kind; of a PodClique the pods that are ready.",
    ("kind",),
    registry=REGISTRY,
)
_BREACHED: Final = Gauge(
    "grove_operator_min_available_breached",
    "PodCliques and PodCliqueScalingGroups with fewer replicas than their minAvailable, by kind; "
    "those that have not come up yet are counted, too.",
    ("kind",),
    registry=REGISTRY,
)
_UPDATES: Final = Gauge(
    "grove_operator_updates",
    "PodCliqueSets whose update is under way, by state: progressing, or waiting for something that "
    "the set's condition Updating names.",
    ("state",),
    registry=REGISTRY,
)
_OLDEST_UPDATE: Final = Gauge(
    "grove_operator_update_oldest_seconds",
    "How long the update that began first has been under way; 0 while there is none.",
    registry=REGISTRY,
)
_UPDATE_SECONDS: Final = Histogram(
    "grove_operator_update_duration_seconds",
    "Time from the beginning of an update of a PodCliqueSet to its end.",
    buckets=_LONG,
    registry=REGISTRY,
)
_RESTARTS: Final = Counter(
    "grove_operator_gang_restarts_total",
    "Gangs that were restarted as a whole because they stayed below a minimum, by what was "
    "restarted: PodCliqueSet for a replica of a set, PodCliqueScalingGroup for one of a group.",
    ("kind",),
    registry=REGISTRY,
)
_REJECTED: Final = Gauge(
    "grove_operator_sets_rejected",
    "PodCliqueSets whose spec cannot be carried out: their condition SpecAccepted is False.",
    registry=REGISTRY,
)
_REVIEWS: Final = Counter(
    "grove_operator_admission_reviews_total",
    "Admission reviews, by webhook, operation and outcome: allowed, denied, failed (a bug, or no "
    "time), unreadable, or unavailable while the process starts.",
    ("webhook", "operation", "outcome"),
    registry=REGISTRY,
)
_REVIEW_SECONDS: Final = Histogram(
    "grove_operator_admission_review_duration_seconds",
    "How long one admission review took, from its arrival to the answer.",
    ("webhook",),
    buckets=_FAST,
    registry=REGISTRY,
)
_CERTIFICATE_EXPIRY: Final = Gauge(
    "grove_operator_webhook_certificate_expiry_timestamp_seconds",
    "When the served certificate ends, in seconds since 1970; 0 while there is none.",
    registry=REGISTRY,
)
_CERTIFICATE_CHANGES: Final = Counter(
    "grove_operator_webhook_certificate_changes_total",
    "What was done about certificates: replaced, announced (a new authority), signed, trimmed "
    "(all in the Secret), injected (into a webhook configuration), loaded or rejected (by the "
    "server), conflict or failed.",
    ("outcome",),
    registry=REGISTRY,
)
_API_REQUESTS: Final = Counter(
    "grove_operator_api_requests_total",
    "Requests to the API server, by verb, kind (with its subresource) and HTTP code; "
    "code 0 means that no answer came.",
    ("verb", "kind", "code"),
    registry=REGISTRY,
)
_API_SECONDS: Final = Histogram(
    "grove_operator_api_request_duration_seconds",
    "How long one request to the API server took, without the waits between tries.",
    ("verb",),
    buckets=_FAST,
    registry=REGISTRY,
)
_API_RETRIES: Final = Counter(
    "grove_operator_api_retries_total",
    "Requests to the API server that were sent again, by verb and HTTP code.",
    ("verb", "code"),
    registry=REGISTRY,
)
_INFORMER_AGE: Final = Gauge(
    "grove_operator_informer_age_seconds",
    "Time since the watch of this kind last heard anything from the API server.",
    ("kind",),
    registry=REGISTRY,
)
_INFORMER_OBJECTS: Final = Gauge(
    "grove_operator_informer_objects",
    "Objects of this kind held in the cache.",
    ("kind",),
    registry=REGISTRY,
)
_INFORMER_EVENTS: Final = Counter(
    "grove_operator_informer_events_total",
    "Watch events received, by kind and type.",
    ("kind", "type"),
    registry=REGISTRY,
)
_INFORMER_RESTARTS: Final = Counter(
    "grove_operator_informer_restarts_total",
    "Times that a watch ended and was opened again, by kind and reason.",
    ("kind", "reason"),
    registry=REGISTRY,
)
_LEADER: Final = Gauge(
    "grove_operator_leader",
    "1 while this process leads, 0 while it stands by.",
    registry=REGISTRY,
)
_LEADER_TRANSITIONS: Final = Counter(
    "grove_operator_leader_transitions_total",
    "Times that this process became or ceased to be the leader.",
    registry=REGISTRY,
)

_ERRORS.labels("queue", "bug")  # there from the start: an alert sees the first one only as a change

_request_children: dict[tuple[str, str, int], Counter] = {}
_second_children: dict[str, Histogram] = {}
_event_children: dict[tuple[str, str], Counter] = {}


def count_reconcile(kind: str, outcome: str, seconds: float) -> None:
    _RECONCILES.labels(kind, outcome).inc()
    _RECONCILE_SECONDS.labels(kind).observe(seconds)


def count_error(kind: str, reason: str) -> None:
    _ERRORS.labels(kind, reason).inc()


def set_queue_depth(keys: int) -> None:
    _QUEUE_DEPTH.set(keys)


def observe_queue_wait(seconds: float) -> None:
    _QUEUE_WAIT.observe(seconds)


def observe_queue_work(seconds: float) -> None:
    _QUEUE_WORK.observe(seconds)


def count_queue_retry() -> None:
    _QUEUE_RETRIES.inc()


def set_queue_waits(oldest_wait: float, longest_pass: float) -> None:
    _QUEUE_OLDEST.set(oldest_wait)
    _QUEUE_LONGEST.set(longest_pass)


def set_gangs(phases: Mapping[str, int], unhealthy: int, oldest_pending: float) -> None:
    for phase, gangs in phases.items():
        _GANGS.labels(phase).set(gangs)
    _GANGS_UNHEALTHY.set(unhealthy)
    _GANG_OLDEST_PENDING.set(oldest_pending)


def observe_gang_scheduled(seconds: float) -> None:
    _GANG_SCHEDULED.observe(seconds)


def observe_gang_ready(seconds: float) -> None:
    _GANG_READY.observe(seconds)


def set_replicas(kind: str, wanted: int, available: int) -> None:
    _WANTED.labels(kind).set(wanted)
    _AVAILABLE.labels(kind).set(available)


def set_breached(kind: str, breached: int) -> None:
    _BREACHED.labels(kind).set(breached)


def set_updates(progressing: int, waiting: int, oldest: float) -> None:
    _UPDATES.labels("progressing").set(progressing)
    _UPDATES.labels("waiting").set(waiting)
    _OLDEST_UPDATE.set(oldest)


def observe_update(seconds: float) -> None:
    _UPDATE_SECONDS.observe(seconds)


def count_restart(kind: str) -> None:
    _RESTARTS.labels(kind).inc()


def set_sets_rejected(sets: int) -> None:
    _REJECTED.set(sets)


def count_review(webhook: str, operation: str, outcome: str, seconds: float) -> None:
    _REVIEWS.labels(webhook, operation, outcome).inc()
    _REVIEW_SECONDS.labels(webhook).observe(seconds)


def set_certificate_expiry(seconds: float) -> None:
    _CERTIFICATE_EXPIRY.set(seconds)


def count_certificate(outcome: str) -> None:
    _CERTIFICATE_CHANGES.labels(outcome).inc()


def count_request(verb: str, kind: str, code: int, seconds: float) -> None:
    """Count one request. `kind` may carry a subresource, as in `PodClique/status`."""
    key = (verb, kind, code)
    child = _request_children.get(key)
    if child is None:  # labels() takes a lock and builds strings; this path runs per request
        child = _request_children[key] = _API_REQUESTS.labels(verb, kind, str(code))
        _second_children.setdefault(verb, _API_SECONDS.labels(verb))
    child.inc()
    _second_children[verb].observe(seconds)


def count_request_retry(verb: str, code: int) -> None:
    _API_RETRIES.labels(verb, str(code)).inc()


def set_informer_age(kind: str, seconds: float) -> None:
    _INFORMER_AGE.labels(kind).set(seconds)


def set_informer_objects(kind: str, objects: int) -> None:
    _INFORMER_OBJECTS.labels(kind).set(objects)


def count_informer_events(kind: str, event_type: str, events: int) -> None:
    key = (kind, event_type)
    child = _event_children.get(key)
    if child is None:
        child = _event_children[key] = _INFORMER_EVENTS.labels(kind, event_type)
    child.inc(events)


def count_informer_restart(kind: str, reason: str) -> None:
    _INFORMER_RESTARTS.labels(kind, reason).inc()


def set_leader(leads: bool) -> None:
    _LEADER.set(1 if leads else 0)


def count_leader_transition() -> None:
    _LEADER_TRANSITIONS.inc()


def render() -> bytes:
    """Give all metrics in the Prometheus text format."""
    return generate_latest(REGISTRY)
