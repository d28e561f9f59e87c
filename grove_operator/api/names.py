"""Every derived object name. Plain concatenation: clients compute these names themselves.

Indices count from 0. `set_name` is the PodCliqueSet's name, `replica` its replica index,
`group` a scaling group's name in the template, `group_replica` the index within that group.
"""

import base64
import hashlib


def replica_name(set_name: str, replica: int) -> str:
    """Headless Service and base PodGang of one PodCliqueSet replica."""
    return f"{set_name}-{replica}"


def service_address(set_name: str, replica: int, namespace: str) -> str:
    return f"{replica_name(set_name, replica)}.{namespace}.svc.cluster.local"


def clique_name(set_name: str, replica: int, clique: str) -> str:
    """PodClique outside any scaling group."""
    return f"{set_name}-{replica}-{clique}"


def group_name(set_name: str, replica: int, group: str) -> str:
    """PodCliqueScalingGroup."""
    return f"{set_name}-{replica}-{group}"


def group_clique_name(group_fqn: str, group_replica: int, clique: str) -> str:
    """PodClique inside a scaling group."""
    return f"{group_fqn}-{group_replica}-{clique}"


def scaled_gang_name(group_fqn: str, group_replica: int, min_available: int) -> str:
    """PodGang of a group replica beyond minAvailable; counts from 0 again."""
    return f"{group_fqn}-{group_replica - min_available}"


def shared_claim_name(owner: str, template: str) -> str:
    """ResourceClaim that all copies of `owner` share: a set, scaling group or PodClique."""
    return f"{owner}-all-{template}"


def copy_claim_name(owner: str, index: int, template: str) -> str:
    """ResourceClaim of one copy of `owner`: a set's or group's replica, or a PodClique's pod."""
    return f"{owner}-{index}-{template}"


def compute_domain_name(replica_name: str, group: str) -> str:
    """ComputeDomain, and the ResourceClaimTemplate that NVIDIA's driver makes for it."""
    return f"{replica_name}-{group}"


def service_account_name(set_name: str) -> str:
    return set_name


def role_name(set_name: str) -> str:
    """Role and RoleBinding."""
    return f"grove.io:pcs:{set_name}"


def token_secret_name(set_name: str) -> str:
    return f"{set_name}-ic-sat"


def hostname(clique_fqn: str, pod_index: int) -> str:
    return f"{clique_fqn}-{pod_index}"


def pod_name(clique_fqn: str, clique_uid: str, pod_index: int, replaces: str = "") -> str:
    """`<PodClique>-<5 characters>`, the same for the same arguments.

    The characters are a hash, so a creation that is tried twice meets its own pod instead of
    making a second one. `replaces` is the UID of the pod that held the index before.
    """
    digest = hashlib.sha256(f"{clique_uid}/{pod_index}/{replaces}".encode()).digest()
    return f"{clique_fqn}-{base64.b32encode(digest)[:5].decode().lower()}"


def replica_of(set_name: str, object_name: str) -> int | None:
    """The PodCliqueSet replica that a derived name belongs to, or None if it is not one of ours.

    Exact, never by suffix: after the set's name comes `-<index>`, then the end or another dash.
    """
    prefix = f"{set_name}-"
    if not object_name.startswith(prefix):
        return None
    digits = object_name[len(prefix) :].split("-", 1)[0]
    if not digits.isascii() or not digits.isdigit() or (digits[0] == "0" and digits != "0"):
        return None
    return int(digits)
