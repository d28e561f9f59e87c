"""Simulated resource usage, so that an autoscaler on CPU scales for real.

KWOK answers as the kubelet of each fake node, the real metrics-server scrapes it, and the real
HPA controller reads the result. A pod says what it uses in the annotations
`kwok.x-k8s.io/usage-cpu` and `kwok.x-k8s.io/usage-memory`.
"""

from typing import Any

CPU_ANNOTATION = "kwok.x-k8s.io/usage-cpu"
MEMORY_ANNOTATION = "kwok.x-k8s.io/usage-memory"

_NAMESPACE = "kube-system"
_SERVICE = "metrics-server"
_GROUP_VERSION = ("metrics.k8s.io", "v1beta1")


def usage_documents() -> list[dict[str, Any]]:
    """What KWOK is told: usage from annotations, served where metrics-server looks for it."""
    return [
        {
            "apiVersion": "kwok.x-k8s.io/v1alpha1",
            "kind": "ClusterResourceUsage",
            "metadata": {"name": "usage-from-annotations"},
            "spec": {
                "usages": [
                    {
                        "usage": {
                            "cpu": {"expression": _annotation_or(CPU_ANNOTATION, "1m")},
                            "memory": {"expression": _annotation_or(MEMORY_ANNOTATION, "1Mi")},
                        }
                    }
                ]
            },
        },
        {
            "apiVersion": "kwok.x-k8s.io/v1alpha1",
            "kind": "Metric",
            "metadata": {"name": "resource-metrics"},
            "spec": {
                "path": "/metrics/nodes/{nodeName}/metrics/resource",
                "metrics": list(_metrics()),
            },
        },
    ]


def api_documents() -> list[dict[str, Any]]:
    """Objects that route the metrics API to the metrics-server process."""
    group, version = _GROUP_VERSION
    return [
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": _SERVICE, "namespace": _NAMESPACE},
            "spec": {"ports": [{"name": "https", "port": 443, "targetPort": "https"}]},
        },
        {
            "apiVersion": "apiregistration.k8s.io/v1",
            "kind": "APIService",
            "metadata": {"name": f"{version}.{group}"},
            "spec": {
                "group": group,
                "version": version,
                "groupPriorityMinimum": 100,
                "versionPriority": 100,
                "insecureSkipTLSVerify": True,
                "service": {"name": _SERVICE, "namespace": _NAMESPACE},
            },
        },
    ]


def _annotation_or(name: str, otherwise: str) -> str:
    return (
        f'"{name}" in pod.metadata.annotations'
        f' ? Quantity(pod.metadata.annotations["{name}"]) : Quantity("{otherwise}")'
    )


def _metrics() -> list[dict[str, Any]]:
    container = [
        {"name": "container", "value": "container.name"},
        {"name": "namespace", "value": "pod.metadata.namespace"},
        {"name": "pod", "value": "pod.metadata.name"},
    ]
    pod = container[1:]
    rows = [
        ("scrape_error", "node", "gauge", [], "0"),
        ("container_start_time_seconds", "container", "gauge", container, "pod.SinceSecond()"),
    ]
    for resource, metric, kind in (
        ("cpu", "cpu_usage_seconds_total", "counter"),
        ("memory", "memory_working_set_bytes", "gauge"),
    ):
        call = "CumulativeUsage" if kind == "counter" else "Usage"
        value = f'{call}("{resource}"'
        rows += [
            (f"container_{metric}", "container", kind, container, f"pod.{value}, container.name)"),
            (f"pod_{metric}", "pod", kind, pod, f"pod.{value})"),
            (f"node_{metric}", "node", kind, [], f"node.{value})"),
        ]
    return [
        {"name": name, "dimension": dimension, "kind": kind, "labels": labels, "value": value}
        for name, dimension, kind, labels, value in rows
    ]
