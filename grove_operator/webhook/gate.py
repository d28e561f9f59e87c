"""One review from its objects to a verdict: parse, look up what the rules need, judge, try pods.

Owns the order of these steps. Refuses to know HTTP or Kopf, and holds no rule: those are in
`admission/`. Runs in the process's own loop, where the connection lives.
"""

from typing import Any

from grove_operator.admission.defaulting import default_podcliqueset
from grove_operator.admission.fields import Verdict, verdict
from grove_operator.admission.podtemplates import is_by_user
from grove_operator.admission.submission import Policy, Submission
from grove_operator.admission.topologybinding import validate_topology_binding
from grove_operator.admission.validation import (
    is_exempt,
    validate_podcliqueset,
    wanted_facts,
)
from grove_operator.api.parsing import parse, parse_podcliqueset
from grove_operator.api.podcliqueset import PodCliqueSet
from grove_operator.api.topology import ClusterTopologyBinding
from grove_operator.errors import SpecError
from grove_operator.settings import Settings
from grove_operator.webhook.lookups import Lookups
from grove_operator.webhook.rehearsal import Rehearsal

Body = dict[str, Any]


def policy_of(settings: Settings) -> Policy:
    """The part of the configuration that the rules depend on."""
    scheduler = settings.scheduler
    return Policy(
        profiles=tuple(profile.name for profile in scheduler.profiles),
        default_profile=scheduler.default_profile_name,
        topology_enabled=settings.topology_aware_scheduling.enabled,
        mnnvl_enabled=settings.network.auto_mnnvl_enabled,
    )


class Gate:
    def __init__(self, policy: Policy, lookups: Lookups, rehearsal: Rehearsal) -> None:
        self._policy = policy
        self._lookups = lookups
        self._rehearsal = rehearsal

    async def review_set(self, new: Body, old: Body | None) -> Verdict:
        """Judge a PodCliqueSet. Raises SpecError if it cannot even be read."""
        first = Submission(parse_podcliqueset(new), _predecessor(old), self._policy)
        if is_exempt(first):
            return Verdict()
        wanted = wanted_facts(first)
        facts = await self._lookups.facts(wanted.topologies, wanted.volcano_queues)
        submission = Submission(first.new, first.old, self._policy, facts)
        judged = validate_podcliqueset(submission)
        # Pods are tried in any case, so that the user reads everything at once.
        tried = await self._rehearsal.try_pods(submission)
        errors = tried.errors if judged.allowed else filter(is_by_user, tried.errors)
        return verdict((*judged.errors, *errors), (*judged.warnings, *tried.warnings))

    async def review_topology(self, new: Body) -> Verdict:
        """Judge a ClusterTopologyBinding. Raises SpecError if it cannot even be read."""
        return validate_topology_binding(parse(ClusterTopologyBinding, new), self._policy)


def _predecessor(old: Body | None) -> PodCliqueSet | None:
    """As the defaulter would have made it: it may have been stored before there was a webhook.

    What cannot be read is no predecessor; the new one is judged as the first.
    """
    if old is None:
        return None
    try:
        return parse_podcliqueset(default_podcliqueset(old))
    except SpecError:
        return None
