"""For each alert a course of events in which it fires, and one close to it in which it does not.

Series are in promtool's notation, one sample a minute: `0+6x20` rises from 0 by 6, twenty times.
"""

from dataclasses import dataclass, field
from typing import Final

Series = dict[str, str]
_DAY: Final = 86400


@dataclass(frozen=True)
class Case:
    """`description` and `labels` are those of the alert that must fire at the moment `at`."""

    fires: Series
    at: str
    description: str
    quiet: Series
    labels: dict[str, str] = field(default_factory=dict)


def _name(metric: str, **labels: str) -> str:
    inner = ",".join(f'{key}="{value}"' for key, value in labels.items())
    return f"grove_operator_{metric}{{{inner}}}"


def _buckets(metric: str, counts: dict[str, str], **labels: str) -> Series:
    return {_name(f"{metric}_bucket", le=le, **labels): course for le, course in counts.items()}


LEADER: Final = _name("leader", pod="a")
STANDBY: Final = _name("leader", pod="b")
EXPIRY: Final = _name("webhook_certificate_expiry_timestamp_seconds", pod="a")
OTHER_EXPIRY: Final = EXPIRY.replace('"a"', '"b"')
REVIEWS: Final = "admission_reviews_total"

CASES: Final[dict[str, Case]] = {
    "GroveOperatorDown": Case(
        fires={LEADER: "1x3"},
        at="15m",
        description="Prometheus has had no metrics of any Grove operator for 5 minutes. What runs "
        "goes on; nothing is created, scaled, repaired or removed.",
        quiet={LEADER: "1x30"},
    ),
    "GroveOperatorNoLeader": Case(
        fires={LEADER: "1x3 0x20", STANDBY: "0x23"},
        at="10m",
        description="2 processes are scraped and none has been the leader for 2 minutes. What "
        "runs goes on; nothing is created, scaled, repaired or removed.",
        quiet={LEADER: "1x8 0x20", STANDBY: "0x9 1x20"},  # a takeover
    ),
    "GroveOperatorQueueStuck": Case(
        fires={_name("queue_longest_pass_seconds"): "0+60x20"},
        at="7m",
        description="A pass, or the first key in the queue, has been waiting for 7m 0s. At 10 "
        "minutes the liveness probe fails and the operator is started anew.",
        quiet={
            _name("queue_longest_pass_seconds"): "0+40x7 0x20",
            _name("queue_oldest_wait_seconds"): "0+40x7 0x20",
        },
    ),
    "GroveOperatorQueueSlow": Case(
        fires={
            **_buckets(
                "queue_wait_seconds",
                {"30": "0+30x40", "60": "0+90x40", "+Inf": "0+100x40"},
            ),
            _name("queue_depth_keys"): "250x40",
        },
        at="30m",
        description="One key in ten has waited for more than 1m 0s in the last 5 minutes; 250 "
        "keys are waiting now.",
        quiet=_buckets(
            "queue_wait_seconds", {"30": "0+95x40", "60": "0+98x40", "+Inf": "0+100x40"}
        ),
    ),
    "GroveOperatorInformerStale": Case(
        fires={
            _name("informer_age_seconds", kind="Pod", pod="a"): "0+60x20",
            _name("informer_age_seconds", kind="PodClique", pod="a"): "20x20",
        },
        at="10m",
        labels={"kind": "Pod"},
        description="The API server has said nothing about Pod objects for 10m 0s; it should at "
        "least once a minute.",
        quiet={_name("informer_age_seconds", kind="Pod", pod="a"): "0+60x6 0+60x6 20x20"},
    ),
    "GroveOperatorReconcileErrors": Case(
        fires={
            _name("reconcile_total", kind="Replica", outcome="error"): "0+1x40",
            _name("reconcile_total", kind="Replica", outcome="ok"): "0+50x40",
        },
        at="30m",
        labels={"kind": "Replica"},
        description="10 passes of kind Replica have failed in the last 10 minutes, and it has "
        "been like this for 10 minutes. status.lastErrors and the Events of the sets concerned "
        "say why.",
        quiet={_name("reconcile_total", kind="Replica", outcome="error"): "0+1x6 6x34"},
    ),
    "GroveOperatorBug": Case(
        fires={_name("errors_total", kind="queue", reason="bug"): "0x5 1x20"},
        at="8m",
        description="1 passes have ended in an unexpected error in the last 15 minutes. They are "
        "tried again with back-off; other sets are not affected.",
        quiet={
            _name("errors_total", kind="queue", reason="bug"): "0x30",
            _name("errors_total", kind="Pod", reason="Forbidden"): "0+1x30",
        },
    ),
    "GroveOperatorApiErrors": Case(
        fires={
            _name("api_requests_total", verb="patch", kind="Pod", code="200"): "0+90x40",
            _name("api_requests_total", verb="patch", kind="Pod", code="503"): "0+6x40",
            _name("api_requests_total", verb="patch", kind="Pod", code="0"): "0+4x40",
        },
        at="30m",
        description="10% of the requests of the last 5 minutes were answered by a server error, "
        "or not at all.",
        quiet={
            _name("api_requests_total", verb="patch", kind="Pod", code="200"): "0+90x40",
            _name("api_requests_total", verb="patch", kind="Pod", code="409"): "0+60x40",
            _name("api_requests_total", verb="patch", kind="Pod", code="503"): "0+2x40",
        },
    ),
    "GroveOperatorApiThrottled": Case(
        fires={_name("api_requests_total", verb="create", kind="Pod", code="429"): "0+60x40"},
        at="30m",
        description="1.0 requests per second have been answered by 429 (too many requests) in "
        "the last 5 minutes. They are sent again; work is slower.",
        quiet={_name("api_requests_total", verb="create", kind="Pod", code="429"): "0+6x40"},
    ),
    "GroveAdmissionDown": Case(
        fires={_name("webhook_certificate_expiry_timestamp_seconds", pod="b"): "0x40"},
        at="30m",
        description="No scraped process has had a webhook certificate for 5 minutes. "
        "PodCliqueSets cannot be created or changed; what runs goes on.",
        quiet={EXPIRY: f"{90 * _DAY}x40"},
    ),
    "GroveAdmissionFailing": Case(
        fires={
            _name(
                REVIEWS, webhook="validate-podcliqueset", operation="CREATE", outcome="unavailable"
            ): "0+6x40"
        },
        at="30m",
        labels={"webhook": "validate-podcliqueset"},
        description="0.10 reviews per second were unreadable or came while the process could not "
        'answer. Users see "failed calling webhook".',
        quiet={
            _name(
                REVIEWS, webhook="validate-podcliqueset", operation="CREATE", outcome="denied"
            ): "0+6x40"
        },
    ),
    "GroveAdmissionSlow": Case(
        fires=_buckets(
            "admission_review_duration_seconds",
            {"2.5": "0+50x40", "5": "0+100x40", "+Inf": "0+100x40"},
            webhook="validate-podcliqueset",
        ),
        at="30m",
        labels={"webhook": "validate-podcliqueset"},
        description="One review in a hundred has taken more than 5.0 s in the last 5 minutes. "
        "After 10 s the API server gives up and refuses the user's request.",
        quiet=_buckets(
            "admission_review_duration_seconds",
            {"2.5": "0+100x40", "5": "0+100x40", "+Inf": "0+100x40"},
            webhook="validate-podcliqueset",
        ),
    ),
    "GroveCertificateEndsSoon": Case(
        fires={EXPIRY: f"{5 * _DAY}x40", OTHER_EXPIRY: f"{90 * _DAY}x40"},
        at="30m",
        description="The certificate ends in 4d 23h 30m 0s and has not been renewed. After that "
        "PodCliqueSets cannot be created or changed.",
        quiet={EXPIRY: f"{30 * _DAY}x40", OTHER_EXPIRY: "0x40"},  # b has none yet
    ),
    "GroveGangsPending": Case(
        fires={
            _name("gang_oldest_pending_seconds", pod="a"): "0+60x60",
            _name("gangs", phase="Pending"): "3x60",
        },
        at="40m",
        description="3 PodGangs are pending, the first of them for 40m 0s. Their condition "
        "Scheduled quotes the scheduler.",
        # always something pending, never the same for long
        quiet={
            _name("gang_oldest_pending_seconds", pod="a"): "0+60x29 0+60x29 0x9",
            _name("gangs", phase="Pending"): "3x60",
        },
    ),
    "GroveGangsUnhealthy": Case(
        fires={_name("gangs_unhealthy", pod="a"): "0x5 2x30"},
        at="20m",
        description="2 PodGangs have fewer ready pods than they need; for 10 minutes there has "
        "been at least one such gang. Their condition Unhealthy names the PodCliques.",
        quiet={_name("gangs_unhealthy", pod="a"): "0x5 2x5 0x30"},
    ),
    "GroveUpdateStuck": Case(
        fires={
            _name("updates", state="waiting", pod="a"): "0x5 1x60",
            _name("updates", state="progressing", pod="a"): "0x65",
        },
        at="50m",
        description="1 updates wait for a pod that does not become ready; for 30 minutes there has "
        "been at least one. The condition Updating of the PodCliqueSet names the pod.",
        quiet={
            _name("updates", state="waiting", pod="a"): "0x5 1x20 0x40",
            _name("updates", state="progressing", pod="a"): "1x65",
        },
    ),
    "GroveGangsRestarting": Case(
        fires={_name("gang_restarts_total", kind="PodCliqueSet"): "0x5 0+1x60"},
        at="30m",
        description="24 restarts of whole gangs in the last hour: they stay below their minimum "
        "for longer than their terminationDelay.",
        quiet={_name("gang_restarts_total", kind="PodCliqueSet"): "0x5 1x60"},
    ),
    "GroveReplicasBelowWanted": Case(
        fires={
            _name("replicas_wanted", kind="PodClique"): "100x60",
            _name("replicas_available", kind="PodClique"): "100x10 93x50",
            _name("replicas_wanted", kind="PodCliqueSet"): "4x60",
            _name("replicas_available", kind="PodCliqueSet"): "4x60",
        },
        at="50m",
        labels={"kind": "PodClique"},
        description="7 replicas of PodClique objects that specs ask for are not available, and "
        "some have been missing for 30 minutes.",
        quiet={
            _name("replicas_wanted", kind="PodClique"): "100x60",
            _name("replicas_available", kind="PodClique"): "100x20 93x20 100x20",
        },
    ),
}
