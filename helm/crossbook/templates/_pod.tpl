{{/* What every pod of Crossbook has in common. */}}

{{- define "crossbook.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "crossbook.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
runAsNonRoot: true
capabilities:
  drop: [ALL]
{{- end -}}

{{- define "crossbook.placement" -}}
{{- with .root.Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .root.Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .root.Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
topologySpreadConstraints:
  - maxSkew: 1
    topologyKey: topology.kubernetes.io/zone
    whenUnsatisfiable: {{ ternary "DoNotSchedule" "ScheduleAnyway" (eq .root.Values.spread "required") }}
    labelSelector:
      matchLabels:
        {{- include "crossbook.selector" . | nindent 8 }}
    {{- if .revisionLabel }}
    matchLabelKeys: [{{ .revisionLabel }}]
    {{- end }}
  - maxSkew: 1
    topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "crossbook.selector" . | nindent 8 }}
    {{- if .revisionLabel }}
    matchLabelKeys: [{{ .revisionLabel }}]
    {{- end }}
{{- end -}}

{{- define "crossbook.environment" -}}
- name: CROSSBOOK_ENVIRONMENT
  value: {{ .root.Values.environment }}
- name: CROSSBOOK_LOG_LEVEL
  value: {{ .root.Values.logLevel }}
- name: CROSSBOOK_SHUTDOWN_TIMEOUT_S
  value: {{ .shutdownTimeoutSeconds | quote }}
- name: CROSSBOOK_DATABASE_POOL_SIZE
  value: {{ .root.Values.database.poolSize | quote }}
- name: PGSSLMODE
  value: {{ .root.Values.database.sslMode }}
{{- if .root.Values.traces.url }}
- name: CROSSBOOK_TRACES_URL
  value: {{ .root.Values.traces.url }}
- name: CROSSBOOK_TRACES_RATIO
  value: {{ .root.Values.traces.ratio | quote }}
{{- end }}
{{- range $name, $value := .settings }}
- name: CROSSBOOK_{{ $name }}
  value: {{ $value | quote }}
{{- end }}
{{- end -}}

{{/* Alive while the event loop turns; a restart mends nothing else. */}}
{{- define "crossbook.liveness" -}}
startupProbe:
  httpGet: {path: /health/live, port: http}
  periodSeconds: 2
  failureThreshold: 60
livenessProbe:
  httpGet: {path: /health/live, port: http}
  periodSeconds: 10
  timeoutSeconds: 3
  failureThreshold: 3
{{- end -}}
