"""`grove-operator registration`: the webhook configurations as YAML, for `kubectl apply`.

For clusters without the chart, and for processes outside the cluster. The running webhook process
fills in its CA.
"""

from typing import TextIO

import yaml

from grove_operator.errors import SettingsError
from grove_operator.webhook.registration import by_service, by_url, configurations


def print_registration(
    stream: TextIO, url: str | None, service: str | None, *, authorizer: bool
) -> None:
    """`service` is `namespace/name:port`. Raises SettingsError unless exactly one is given."""
    if (url is None) == (service is None):
        raise SettingsError("give either --url or --service")
    if url is not None:
        if not url.startswith("https://"):
            raise SettingsError("--url must begin with https://")
        client = by_url(url)
    else:
        client = by_service(*_parts(service or ""))
    yaml.safe_dump_all(configurations(client, authorizer=authorizer), stream, sort_keys=False)


def _parts(service: str) -> tuple[str, str, int]:
    namespace, slash, rest = service.partition("/")
    name, _, port = rest.partition(":")
    number = port or "443"
    if not (slash and namespace and name and number.isascii() and number.isdigit()):
        raise SettingsError("--service must be namespace/name or namespace/name:port")
    return namespace, name, int(number)
