"""The authorizer's edge: who asks for what, whose child it is, and what the set says of it.

Owns the reading of a review into an attempt and the one look-up. Refuses to decide:
`admission/authorizer.py` does.
"""

from collections.abc import Mapping
from typing import Any

from grove_operator.admission.authorizer import (
    Attempt,
    Decision,
    Parent,
    Trust,
    decide,
    parent_of,
)
from grove_operator.errors import ClusterError, SettingsError
from grove_operator.settings import Settings
from grove_operator.webhook.lookups import Lookups

Body = Mapping[str, Any]


def protection_of(settings: Settings, namespace: str, lookups: Lookups) -> "Protection | None":
    """None if it is switched off. Raises SettingsError if nobody knows who the operator is."""
    if not settings.authorizer.enabled:
        return None
    account = settings.operator_service_account_name
    if not account:
        raise SettingsError(
            "authorizer.enabled needs GROVE_OPERATOR_SERVICE_ACCOUNT_NAME in the environment"
        )
    trust = Trust(
        f"system:serviceaccount:{namespace}:{account}",
        frozenset(settings.authorizer.exempt_service_account_user_names),
    )
    return Protection(trust, lookups)


def attempt_of(operation: str, user: str, group: str, resource: str, decisive: Body) -> Attempt:
    """`decisive` is the object as stored; for a creation, the new one."""
    metadata = decisive.get("metadata") or {}
    labels = metadata.get("labels") or {}
    return Attempt(
        operation=operation,
        user=user,
        group=group,
        resource=resource,
        namespace=str(metadata.get("namespace", "")),
        name=str(metadata.get("name") or metadata.get("generateName", "")),
        labels=labels if isinstance(labels, dict) else {},
    )


class Protection:
    def __init__(self, trust: Trust, lookups: Lookups) -> None:
        self._trust = trust
        self._lookups = lookups

    async def review(self, attempt: Attempt) -> Decision:
        wanted = parent_of(attempt, self._trust)
        if isinstance(wanted, Decision):
            return wanted
        try:
            parent = Parent(await self._lookups.set_annotations(attempt.namespace, wanted))
        except ClusterError as error:
            parent = Parent(problem=f"the PodCliqueSet {wanted} could not be read: {error}")
        return decide(attempt, self._trust, parent)
