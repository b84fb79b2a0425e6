{{/* Name of the chart in labels. */}}
{{- define "fondant-operator.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* Name of all objects: the release's, with the chart's unless it says so already. */}}
{{- define "fondant-operator.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" }}
{{- else }}
{{- $name := include "fondant-operator.name" . }}
{{- if contains $name .Release.Name }}
{{- .Release.Name | trunc 63 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name $name | trunc 63 | trimSuffix "-" }}
{{- end }}
{{- end }}
{{- end }}

{{/* What the Deployment selects its pods by; never to be changed. */}}
{{- define "fondant-operator.selectorLabels" -}}
app.kubernetes.io/name: {{ include "fondant-operator.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "fondant-operator.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{ include "fondant-operator.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: fondant
{{- with .Values.extraLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* The annotations key, where there are any: (dict "values" <list of maps>). */}}
{{- define "fondant-operator.annotations" -}}
{{- $all := dict }}
{{- range . }}
{{- $all = merge $all (default dict .) }}
{{- end }}
{{- with $all }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "fondant-operator.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "fondant-operator.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- required "serviceAccount.name is needed when serviceAccount.create is false" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{- define "fondant-operator.image" -}}
{{- if .Values.image.digest }}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest }}
{{- else }}
{{- printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) }}
{{- end }}
{{- end }}

{{/* Name of the ConfigMap with registries.caBundle. */}}
{{- define "fondant-operator.registryCA" -}}
{{- printf "%s-registry-ca" (include "fondant-operator.fullname" . | trunc 51 | trimSuffix "-") }}
{{- end }}

{{/* What the controller may do, and nothing else; the same as manifests/rbac/role.yaml. */}}
{{- define "fondant-operator.rules" -}}
# Specs belong to the users: they are read, never written.
- apiGroups: [fondant.ai]
  resources: [fondantpipelines, fondantcomponents, fondantbackends]
  verbs: [get, list, watch]
# Runs are made by triggers and deleted by the history limits and TTLs; patched is what holds one back
# while it is deleted, and what is to happen then with what it runs (deletionPolicy).
- apiGroups: [fondant.ai]
  resources: [fondantruns]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [fondant.ai]
  resources: [fondantpipelines/status, fondantruns/status, fondantbackends/status]
  verbs: [patch]
# Children name their owner with blockOwnerDeletion, which the API server allows to those who may
# set the owner's finalizers.
- apiGroups: [fondant.ai]
  resources: [fondantpipelines/finalizers, fondantruns/finalizers]
  verbs: [update]
# Frozen specs, and what pipelines refer to; patched when another run becomes an owner.
- apiGroups: [""]
  resources: [configmaps]
  verbs: [get, list, watch, create, patch, delete]
{{- if or .Values.images.resolve .Values.outsideBackends }}
# By name: pull secrets when a registry does not tell an image's digest without, and the credentials
# that a FondantBackend names. Left out with images.resolve=false and outsideBackends=false.
- apiGroups: [""]
  resources: [secrets, serviceaccounts]
  verbs: [get]
{{- end }}
{{- if .Values.outsideBackends }}
# A backend stays while a run outside the cluster needs it: by a finalizer, which is patched. Left out
# with outsideBackends=false, as are the tokens that a FondantBackend may ask for.
- apiGroups: [fondant.ai]
  resources: [fondantbackends]
  verbs: [patch]
- apiGroups: [""]
  resources: [serviceaccounts/token]
  verbs: [create]
{{- end }}
# Patched is the owner of a Job that goes on without its run (deletionPolicy: Orphan).
- apiGroups: [batch]
  resources: [jobs]
  verbs: [get, list, watch, create, patch, delete]
# The last lines of a failed step's log come with the pod's status.
- apiGroups: [""]
  resources: [pods]
  verbs: [list, watch]
# Why a Job got no pod stands only in its Events.
- apiGroups: [""]
  resources: [events]
  verbs: [list]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create]
{{- end }}
