"""The keys of `server.webhooks` that certificates depend on."""

from pathlib import Path

import pytest

from grove_operator.errors import SettingsError
from grove_operator.settings import load_settings


def test_they_are_read_in_the_form_of_the_file(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(
        "server: {webhooks: {leafLifetime: 24h, caLifetime: 96h, serviceName: other, "
        "extraNames: [127.0.0.1, x.example]}}"
    )
    webhooks = load_settings(file, {}).server.webhooks
    assert (webhooks.leaf_lifetime, webhooks.ca_lifetime) == (86400, 4 * 86400)
    assert webhooks.extra_names == ("127.0.0.1", "x.example")
    assert webhooks.service_name == "other"


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("CA_LIFETIME", "8760h", "caLifetime must be at least four times leafLifetime"),
        ("LEAF_LIFETIME", "0s", "server.webhooks.leafLifetime: must be greater than 0"),
        ("EXTRA_NAMES", '["a b"]', "extraNames: 'a b' is neither a DNS name nor an address"),
        ("EXTRA_NAMES", '["\u00fcber.example"]', "is neither a DNS name nor an address"),
        ("EXTRA_NAMES", '[""]', "is neither a DNS name nor an address"),
        ("SECRET_NAME", "", "secretName must not be empty"),
        ("SERVICE_NAME", "", "serviceName must not be empty"),
    ],
)
def test_wrong_values_name_their_key(key: str, value: str, says: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings(None, {f"GROVE_SERVER__WEBHOOKS__{key}": value})
    assert says in str(caught.value)
