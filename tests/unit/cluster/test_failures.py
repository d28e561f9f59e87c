"""What is made of an answer that says no."""

import msgspec

from grove_operator.cluster.failures import failure
from grove_operator.errors import ForbiddenError, NamespaceEndsError


def a_status(**details: object) -> bytes:
    body = {"kind": "Status", "code": 403, "reason": "Forbidden", "message": "no", **details}
    return msgspec.json.encode(body)


def test_a_namespace_that_is_being_deleted_is_told_from_missing_rights() -> None:
    cause = {
        "reason": "NamespaceTerminating",
        "message": "namespace harbor is being terminated",
        "field": "metadata.namespace",
    }
    assert type(failure("create", 403, a_status())) is ForbiddenError
    ending = failure("create", 403, a_status(details={"causes": [cause]}))
    assert type(ending) is NamespaceEndsError
    assert (ending.status, ending.message) == (403, "no")
