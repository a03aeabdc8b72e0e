{{/* Names, labels, and who talks to whom: what every template agrees on. */}}

{{- define "crossbook.image" -}}
{{- $tag := .override.tag | default .root.Values.image.tag | default .root.Chart.AppVersion -}}
{{- $digest := .override.digest | default (ternary "" .root.Values.image.digest (ne (default "" .override.tag) "")) -}}
{{- if $digest -}}
{{ .root.Values.image.repository }}@{{ $digest }}
{{- else -}}
{{ .root.Values.image.repository }}:{{ $tag }}
{{- end -}}
{{- end -}}

{{- define "crossbook.labels" -}}
app.kubernetes.io/name: {{ .name }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/part-of: crossbook
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ .root.Chart.Name }}-{{ .root.Chart.Version }}
{{- end -}}

{{- define "crossbook.selector" -}}
app.kubernetes.io/name: {{ .name }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
{{- end -}}

{{/* What is switched on, engine apart, as a JSON list. */}}
{{- define "crossbook.enabled" -}}
{{- $names := list -}}
{{- range $name, $service := .Values.services -}}
{{- if $service.enabled }}{{ $names = append $names $name }}{{ end -}}
{{- end -}}
{{- toJson $names -}}
{{- end -}}

{{/* Who asks whom: the network policies of both sides are made from it. */}}
{{- define "crossbook.calls" -}}
auth: []
engine: []
notifier: [auth]
trading: [auth, engine, backoffice]
backoffice: [auth, engine, notifier]
{{- end -}}

{{- define "crossbook.engineUrls" -}}
{{- $urls := list -}}
{{- range $ordinal := until (int .Values.engine.replicas) -}}
{{- $urls = append $urls (printf "http://crossbook-engine-%d.crossbook-engine:8000" $ordinal) -}}
{{- end -}}
{{- join "," $urls -}}
{{- end -}}
