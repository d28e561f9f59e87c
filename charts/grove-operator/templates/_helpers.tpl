{{/* Labels of an object: those of its values, and who made it. Never the operator's own mark. */}}
{{- define "grove.labels" -}}
{{- $fixed := dict "app.kubernetes.io/managed-by" .root.Release.Service "app.kubernetes.io/instance" .root.Release.Name "helm.sh/chart" (printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_") -}}
{{- toYaml (merge $fixed (deepCopy (.labels | default dict))) -}}
{{- end -}}

{{/* An image: a tag, or a digest behind an @. */}}
{{- define "grove.image" -}}
{{- $tag := .image.tag | default .root.Chart.AppVersion -}}
{{- printf "%s%s%s" .image.repository (hasPrefix "sha256:" $tag | ternary "@" ":") $tag -}}
{{- end -}}

{{- define "grove.installerImage" -}}
{{- $own := .Values.crdInstaller.image -}}
{{- if $own.repository -}}
{{- include "grove.image" (dict "root" . "image" $own) -}}
{{- else -}}
{{- include "grove.image" (dict "root" . "image" .Values.image) -}}
{{- end -}}
{{- end -}}

{{/* Whether deployment.env names what pods with a startup order wait in. */}}
{{- define "grove.envNamesWaiter" -}}
{{- range .Values.deployment.env }}{{ if eq .name "GROVE_INIT_CONTAINER_IMAGE" }}yes{{ end }}{{ end -}}
{{- end -}}

{{/* The image of the waiter: by default from where the operator's own comes. */}}
{{- define "grove.waiterImage" -}}
{{- $own := .Values.initContainer.image -}}
{{- $beside := regexReplaceAll "[^/]+$" .Values.image.repository "grove-initc" -}}
{{- $tag := .Values.image.tag | default "" -}}
{{- $image := dict "repository" ($own.repository | default $beside) "tag" ($own.tag | default (hasPrefix "sha256:" $tag | ternary "" $tag)) -}}
{{- include "grove.image" (dict "root" . "image" $image) -}}
{{- end -}}

{{/* How the certificate is provided; cert-manager is manual to the process. */}}
{{- define "grove.certMode" -}}
{{- .Values.certManager.enabled | ternary "manual" .Values.config.server.webhooks.certProvisionMode -}}
{{- end -}}

{{/* The operator's configuration file: config from the values, and what the chart alone knows. */}}
{{- define "grove.config" -}}
{{- $config := deepCopy .Values.config -}}
{{- $_ := unset $config.server.healthProbes "enable" -}}
{{- $_ := set $config.server.webhooks "certProvisionMode" (include "grove.certMode" .) -}}
{{- $_ := set $config.server.webhooks "serviceName" .Values.service.name -}}
{{- $_ := set $config.leaderElection "resourceNamespace" .Release.Namespace -}}
{{- $head := dict "apiVersion" "operator.config.grove.io/v1alpha1" "kind" "OperatorConfiguration" -}}
{{- toYaml (merge $head $config) -}}
{{- end -}}

{{/* Named by its content, so that a change is a rollout and the old one is never edited. */}}
{{- define "grove.configMapName" -}}
{{- printf "grove-operator-cm-%s" (include "grove.config" . | sha256sum | trunc 8) -}}
{{- end -}}

{{- define "grove.hasKai" -}}
{{- range .Values.config.scheduler.profiles }}{{ if eq .name "kai-scheduler" }}yes{{ end }}{{ end -}}
{{- end -}}

{{- define "grove.hasVolcano" -}}
{{- range .Values.config.scheduler.profiles }}{{ if eq .name "volcano" }}yes{{ end }}{{ end -}}
{{- end -}}

{{/* Which namespaces are reviewed: never our own or the control plane's, or nothing could be mended. */}}
{{- define "grove.namespaceSelector" -}}
matchExpressions:
  - key: kubernetes.io/metadata.name
    operator: NotIn
    values:
      {{- concat (list "kube-system" .Release.Namespace) .Values.webhooks.excludedNamespaces | uniq | toYaml | nindent 6 }}
{{- end -}}

{{- define "grove.webhookAnnotations" -}}
{{- $found := dict -}}
{{- if .root.Values.certManager.enabled -}}
{{- $found = dict "cert-manager.io/inject-ca-from" (printf "%s/grove-operator-webhook" .root.Release.Namespace) -}}
{{- end -}}
{{- toYaml (merge $found (deepCopy (.annotations | default dict))) -}}
{{- end -}}

{{/* Security of pod and containers: the restricted standard, with the values on top. */}}
{{- define "grove.podSecurityContext" -}}
{{- $restricted := dict "runAsNonRoot" true "seccompProfile" (dict "type" "RuntimeDefault") -}}
{{- toYaml (mergeOverwrite $restricted (deepCopy .Values.podSecurityContext)) -}}
{{- end -}}

{{- define "grove.securityContext" -}}
{{- $restricted := dict "allowPrivilegeEscalation" false "readOnlyRootFilesystem" true "runAsNonRoot" true "capabilities" (dict "drop" (list "ALL")) -}}
{{- toYaml (mergeOverwrite $restricted (deepCopy .Values.securityContext)) -}}
{{- end -}}

{{- define "grove.probes" -}}
livenessProbe:
  httpGet:
    path: /healthz
    port: {{ . }}
  initialDelaySeconds: 15
  timeoutSeconds: 5
readinessProbe:
  httpGet:
    path: /readyz
    port: {{ . }}
  initialDelaySeconds: 1
  periodSeconds: 5
  timeoutSeconds: 5
{{- end -}}

{{- define "grove.tokenMount" -}}
- name: kube-api-access-grove
  mountPath: /var/run/secrets/kubernetes.io/serviceaccount
  readOnly: true
{{- end -}}
