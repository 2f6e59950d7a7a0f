{{/* The list of services and what the code says of them. */}}
{{- define "fawkes.facts" -}}
{{- .Files.Get "files/services.yaml" -}}
{{- end }}

{{/* What holds for one service: the defaults, and over them what services.<name> says. Called with (root, name). */}}
{{- define "fawkes.service" -}}
{{- $own := get (.root.Values.services | default dict) .name | default dict -}}
{{- mustMergeOverwrite (deepCopy .root.Values.defaults) (deepCopy $own) | toYaml -}}
{{- end }}

{{/* Labels that select: they never change. Called with (name, component). */}}
{{- define "fawkes.selector" -}}
app.kubernetes.io/name: {{ .name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- define "fawkes.labels" -}}
{{ include "fawkes.selector" . }}
app.kubernetes.io/part-of: fawkes
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
{{- end }}

{{- define "fawkes.image" -}}
{{- $image := .Values.image -}}
{{- if $image.digest -}}
{{ $image.repository }}@{{ $image.digest }}
{{- else -}}
{{ $image.repository }}:{{ required "image.digest or image.tag says which image" $image.tag }}
{{- end -}}
{{- end }}

{{/* A value as the environment has it: whole numbers stay whole, however large. */}}
{{- define "fawkes.text" -}}
{{- if kindIs "float64" . }}{{ . | int64 }}{{ else }}{{ . }}{{ end -}}
{{- end }}

{{/* The part of a variable's name that stands for a service or a key. */}}
{{- define "fawkes.variable" -}}
{{- . | replace "-" "_" | replace "." "_" | upper -}}
{{- end }}

{{/* The settings of one service and of its process. Called with (root, name, service). */}}
{{- define "fawkes.settings" -}}
{{- range $key, $value := .root.Values.http }}
FAWKES_HTTP_{{ include "fawkes.variable" $key }}: {{ include "fawkes.text" $value | quote }}
{{- end }}
{{- $name := .name }}
{{- range $key, $value := .service.settings }}
FAWKES_{{ include "fawkes.variable" $name }}_{{ include "fawkes.variable" $key }}: {{ include "fawkes.text" $value | quote }}
{{- end }}
{{- with .root.Values.publicURL }}
FAWKES_PUBLIC_URL: {{ . | quote }}
{{- end }}
{{- with .root.Values.traces.endpoint }}
OTEL_EXPORTER_OTLP_ENDPOINT: {{ . | quote }}
{{- end }}
{{- end }}

{{- define "fawkes.databaseVariable" -}}
- name: FAWKES_{{ include "fawkes.variable" .name }}_DATABASE_URL
  valueFrom: {secretKeyRef: {name: {{ .database.secret }}, key: {{ .database.key }}}}
{{- end }}

{{/* What every pod here is, whatever it runs. */}}
{{- define "fawkes.pod" -}}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: 65532
  runAsGroup: 65532
  seccompProfile: {type: RuntimeDefault}
# Nothing of a service is on its node alone: it is begun elsewhere soon after a node is lost, and not only after five minutes.
tolerations:
  {{- range list "not-ready" "unreachable" }}
  - {key: node.kubernetes.io/{{ . }}, operator: Exists, effect: NoExecute, tolerationSeconds: 30}
  {{- end }}
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- end }}

{{- define "fawkes.container" -}}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
{{- end }}
