"""The headless Service of a replica: gives its pods their DNS names."""

from typing import Any

from grove_operator.api import labels, names
from grove_operator.desired.blueprint import SetBlueprint, child_metadata, replica_label


def build_service(blueprint: SetBlueprint, replica: int) -> dict[str, Any]:
    name = names.replica_name(blueprint.name, replica)
    index = replica_label(replica)
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": child_metadata(blueprint, name, labels.COMPONENT_SERVICE, index),
        "spec": {
            "clusterIP": "None",
            "publishNotReadyAddresses": blueprint.publish_not_ready,
            "selector": blueprint.pair | index,
        },
    }
