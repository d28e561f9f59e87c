"""The whole exception tree.

GroveError
├── SpecError          the user's manifest is wrong; a condition and an event tell them
├── SettingsError      the operator's own configuration is wrong; it does not start
├── ClusterError       Kubernetes refused or did not answer; tried again with back-off
│   ├── ConflictError      409 on an update: somebody else was faster, look again
│   ├── AlreadyExistsError 409 on a create
│   ├── NotFoundError      404
│   ├── GoneError          410: the resource version is too old, list again
│   ├── ForbiddenError     403: rights or quota
│   │   └── NamespaceEndsError  nothing can be made there any more
│   ├── InvalidError       400 or 422: the API server calls the object wrong
│   └── UnavailableError   429, 5xx, time-out, connection lost
└── LostLeadershipError    another process leads now; this one must stop at once

Anything else that is raised is a bug of ours.
"""


class GroveError(Exception):
    """Base of everything that this operator raises on purpose."""


class SpecError(GroveError):
    """A manifest that cannot be carried out.

    `problems` are sentences that start with the field's path and say what to change.
    """

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


class SettingsError(GroveError):
    """The configuration file or environment is wrong. The message names the key."""


class ClusterError(GroveError):
    """An API request failed.

    `status` is the HTTP code (0 when no answer came), `reason` the API's machine-readable reason.
    """

    def __init__(self, what: str, status: int, reason: str, message: str) -> None:
        super().__init__(
            f"{what}: {status} {reason}: {message}" if status else f"{what}: {message}"
        )
        self.what = what
        self.status = status
        self.reason = reason
        self.message = message


class ConflictError(ClusterError):
    pass


class AlreadyExistsError(ClusterError):
    pass


class NotFoundError(ClusterError):
    pass


class GoneError(ClusterError):
    pass


class ForbiddenError(ClusterError):
    pass


class NamespaceEndsError(ForbiddenError):
    """Nothing can be made in a namespace that is being deleted."""


class InvalidError(ClusterError):
    """`causes` are pairs of a field's path and what is wrong with it; often there are none."""

    causes: tuple[tuple[str, str], ...] = ()


class UnavailableError(ClusterError):
    """Worth trying again. `retry_after` is in seconds, None when the server did not say."""

    def __init__(
        self,
        what: str,
        status: int,
        reason: str,
        message: str,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(what, status, reason, message)
        self.retry_after = retry_after


class LostLeadershipError(GroveError):
    """The lease was not renewed in time."""
