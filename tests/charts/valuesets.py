"""Value sets as users might write them: good ones, and wrong ones with what must be said."""

from typing import Any, Final

Values = dict[str, Any]

_PEER: Final = {"namespaceSelector": {"matchLabels": {"team": "observability"}}}

GOOD: Final[dict[str, Values]] = {
    "default": {},
    "one replica without leader election": {
        "replicaCount": 1,
        "config": {"leaderElection": {"enabled": False}},
    },
    "five replicas on five nodes": {
        "replicaCount": 5,
        "podAntiAffinity": "required",
        "podDisruptionBudget": {"maxUnavailable": "40%"},
        "priorityClass": {"enabled": True},
    },
    "authorizer and volcano": {
        "config": {
            "authorizer": {"enabled": True},
            "scheduler": {
                "profiles": [{"name": "default-scheduler"}, {"name": "volcano"}],
                "defaultProfileName": "volcano",
            },
            "topologyAwareScheduling": {"enabled": True},
            "network": {"autoMNNVLEnabled": True},
        }
    },
    "certificates by hand": {
        "config": {"server": {"webhooks": {"certProvisionMode": "manual"}}},
        "webhooks": {"caBundle": "Y2E="},
    },
    "certificates by an injector": {
        "config": {"server": {"webhooks": {"certProvisionMode": "manual"}}},
        "webhooks": {
            "podCliqueSetValidationWebhook": {
                "annotations": {"cert-manager.io/inject-ca-from": "grove-system/mine"}
            }
        },
    },
    "certificates by cert-manager": {"certManager": {"enabled": True}},
    "certificates by an issuer that is there": {
        "certManager": {
            "enabled": True,
            "issuerRef": {"name": "company", "kind": "ClusterIssuer"},
            "duration": "2160h",
        }
    },
    "Secret made by the chart": {"webhookServerSecret": {"enabled": True}},
    "all of monitoring": {
        "metrics": {
            "serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}},
            "prometheusRule": {"enabled": True, "runbookUrl": "https://runbooks.example/grove"},
            "dashboard": {"enabled": True},
        }
    },
    "network policy": {
        "networkPolicy": {
            "enabled": True,
            "metricsFrom": [_PEER],
            "webhooksFrom": [{"ipBlock": {"cidr": "10.0.0.0/8"}}],
            "egress": [{"ports": [{"port": 443, "protocol": "TCP"}]}],
        }
    },
    "other names and ports": {
        "serviceAccount": {"name": "runner", "annotations": {"who": "me"}},
        "service": {"name": "admission", "type": "NodePort"},
        "clusterRole": {"name": "lake:operator"},
        "clusterRoleBinding": {"name": "lake:operator"},
        "leaseRole": {"name": "lake:lease"},
        "leaseRoleBinding": {"name": "lake:lease"},
        "config": {
            "leaderElection": {"resourceName": "lake-lease"},
            "server": {
                "webhooks": {"port": 8443, "secretName": "lake-cert"},
                "healthProbes": {"port": 8081},
                "metrics": {"port": 8082},
            },
        },
        "webhook": {"healthProbes": {"port": 8083}, "metrics": {"port": 8084}},
    },
    "private registry, digest, own CRDs": {
        "image": {"repository": "registry.example/grove", "tag": "sha256:" + "0" * 64},
        "imagePullSecrets": [{"name": "pull"}],
        "crdInstaller": {"enabled": False},
    },
    "placed on control nodes": {
        "nodeSelector": {"node-role.kubernetes.io/control-plane": ""},
        "tolerations": [{"key": "node-role.kubernetes.io/control-plane", "operator": "Exists"}],
        "affinity": {"nodeAffinity": {}},
        "topologySpreadConstraints": [
            {
                "maxSkew": 1,
                "topologyKey": "zone",
                "whenUnsatisfiable": "ScheduleAnyway",
                "labelSelector": {"matchLabels": {"app.kubernetes.io/name": "grove-operator"}},
            }
        ],
        "podAnnotations": {"scrape": "yes"},
        "podLabels": {"team": "platform"},
        "podSecurityContext": {"runAsUser": 4711, "fsGroup": 4711},
        "deployment": {"env": [{"name": "GROVE_LOG_LEVEL", "value": "debug"}]},
        "webhook": {"env": [{"name": "GROVE_LOG_LEVEL", "value": "error"}]},
    },
    "every setting of the operator": {
        "config": {
            "runtimeClientConnection": {"qps": 100, "burst": 150, "maxInFlight": 32},
            "controllers": {"podCliqueSet": {"concurrentSyncs": 3}},
            "debugging": {"enableProfiling": False},
            "cache": {"relistInterval": "20m"},
            "status": {"quietPeriod": "500ms"},
            "shutdown": {"gracePeriod": "10s", "linger": "3s"},
            "logLevel": "debug",
            "logFormat": "text",
        },
        "webhooks": {"failurePolicy": "Ignore", "timeoutSeconds": 5, "excludedNamespaces": ["ci"]},
    },
}

WRONG: Final[dict[str, tuple[Values, str]]] = {
    "a key that means nothing": ({"replicas": 3}, "'replicas' not allowed"),
    "a number as text": ({"replicaCount": "2"}, "/replicaCount"),
    "fewer replicas than none": ({"replicaCount": -1}, "/replicaCount"),
    "two leaders": ({"config": {"leaderElection": {"enabled": False}}}, "/replicaCount"),
    "an unknown pull policy": ({"image": {"pullPolicy": "Sometimes"}}, "/image/pullPolicy"),
    "no image": ({"image": {"repository": ""}}, "/image/repository"),
    "a misspelt setting": (
        {"config": {"leaderElection": {"leaseDurations": "15s"}}},
        "'leaseDurations' not allowed",
    ),
    "a duration without a unit": (
        {"config": {"leaderElection": {"leaseDuration": "15"}}},
        "/config/leaderElection/leaseDuration",
    ),
    "a duration as a number": (
        {"config": {"cache": {"relistInterval": 600}}},
        "/config/cache/relistInterval",
    ),
    "an unknown log level": ({"config": {"logLevel": "warn"}}, "/config/logLevel"),
    "an unknown scheduler": (
        {"config": {"scheduler": {"profiles": [{"name": "yunikorn"}]}}},
        "/config/scheduler/profiles/0/name",
    ),
    "an unknown certificate mode": (
        {"config": {"server": {"webhooks": {"certProvisionMode": "certManager"}}}},
        "/config/server/webhooks/certProvisionMode",
    ),
    "a port that is none": (
        {"config": {"server": {"metrics": {"port": 70000}}}},
        "/config/server/metrics/port",
    ),
    "no workers": (
        {"config": {"controllers": {"podClique": {"concurrentSyncs": 0}}}},
        "/config/controllers/podClique/concurrentSyncs",
    ),
    "what only the chart knows": (
        {"config": {"leaderElection": {"resourceNamespace": "elsewhere"}}},
        "'resourceNamespace' not allowed",
    ),
    "the mark of workloads": (
        {"service": {"labels": {"app.kubernetes.io/managed-by": "grove-operator"}}},
        "/service/labels",
    ),
    "a label that is none": ({"podLabels": {"team": "a b"}}, "/podLabels/team"),
    "a Service name that is none": ({"service": {"name": "Grove_Operator"}}, "/service/name"),
    "a bundle that is not base64": (
        {"webhooks": {"caBundle": "-----BEGIN"}},
        "/webhooks/caBundle",
    ),
    "an unknown failure policy": ({"webhooks": {"failurePolicy": "Warn"}}, "/failurePolicy"),
    "an endless review": ({"webhooks": {"timeoutSeconds": 60}}, "/webhooks/timeoutSeconds"),
    "an issuer of no kind": (
        {"certManager": {"enabled": True, "issuerRef": {"name": "x", "kind": "Vault"}}},
        "/certManager/issuerRef/kind",
    ),
    "resources of another shape": ({"resources": {"limit": {}}}, "'limit' not allowed"),
    "an environment that is a map": ({"deployment": {"env": {"A": "b"}}}, "/deployment/env"),
}
