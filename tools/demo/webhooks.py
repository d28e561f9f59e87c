"""Registers webhooks that run as a process beside a local cluster, by URL."""

import yaml

from grove_operator.webhook.registration import by_url, configurations
from tools.localcluster import LocalCluster

HOST = "127.0.0.1"


def webhook_environment(port: int) -> dict[str, str]:
    """Settings of a webhook process that listens on `port` of this machine."""
    return {
        "GROVE_SERVER__WEBHOOKS__BIND_ADDRESS": HOST,
        "GROVE_SERVER__WEBHOOKS__PORT": str(port),
        "GROVE_SERVER__WEBHOOKS__EXTRA_NAMES": f'["{HOST}"]',
        "GROVE_SHUTDOWN__LINGER": "0s",
    }


def register_webhooks(cluster: LocalCluster, port: int) -> None:
    """Tell the API server; the process fills in its CA."""
    wanted = configurations(by_url(f"https://{HOST}:{port}"))
    cluster.kubectl("apply", "--server-side", "-f", "-", stdin=yaml.safe_dump_all(wanted))
