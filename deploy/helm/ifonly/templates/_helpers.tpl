{{- define "ifonly.name" -}}
{{- if contains .Chart.Name .Release.Name }}{{ .Release.Name | trunc 50 | trimSuffix "-" }}
{{- else }}{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 50 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- define "ifonly.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "ifonly.labels" -}}
{{ include "ifonly.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- define "ifonly.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}

{{/* By which names it is asked: the Service's, the ingress', and what else is named. */}}
{{- define "ifonly.hosts" -}}
{{- $name := include "ifonly.name" . -}}
{{- $space := .Release.Namespace -}}
{{- $own := list $name (printf "%s.%s" $name $space) (printf "*.%s.svc" $space) (printf "*.%s.svc.cluster.local" $space) -}}
{{- if .Values.ingress.enabled }}{{ $own = append $own .Values.ingress.host }}{{ end -}}
{{ concat $own .Values.hosts | uniq | join "," }}
{{- end }}

{{/* The settings as environment. Whole numbers of a values file are floats here: 1.342e+09. */}}
{{- define "ifonly.environment" -}}
{{- $settings := merge (dict) .Values.settings -}}
{{- if not (hasKey $settings "allowed_hosts") }}{{ $_ := set $settings "allowed_hosts" (include "ifonly.hosts" .) }}{{ end -}}
{{- range $key, $value := $settings }}
{{- $text := "" }}
{{- if kindIs "float64" $value }}{{ $text = ternary ($value | int64 | toString) ($value | toString) (eq $value (float64 (int64 $value))) }}
{{- else if or (kindIs "slice" $value) (kindIs "map" $value) }}{{ $text = toJson $value }}
{{- else }}{{ $text = toString $value }}{{ end }}
IFONLY_{{ upper $key }}: {{ $text | quote }}
{{- end }}
{{- end }}

{{- define "ifonly.pod" -}}
{{- with .Values.image.pullSecrets }}
imagePullSecrets: {{ toJson . }}
{{- end }}
{{- with .Values.serviceAccount }}
serviceAccountName: {{ . }}
{{- end }}
automountServiceAccountToken: false
{{- end }}

{{- define "ifonly.container" -}}
image: {{ include "ifonly.image" . }}
{{- with .Values.image.pullPolicy }}
imagePullPolicy: {{ . }}
{{- end }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
{{- end }}

{{- define "ifonly.pull" -}}
{{- $url := .Values.models.url -}}
envFrom:
  - configMapRef: {name: {{ include "ifonly.name" . }}}
  {{- with $url.secret }}
  - secretRef: {name: {{ . }}}
  {{- end }}
resources: # a model is tried as it would be served, and next to nothing in between
  requests: {cpu: 100m, memory: 512Mi}
  limits: {memory: {{ dig "limits" "memory" "2Gi" .Values.resources }}}
volumeMounts:
  - {name: tmp, mountPath: /tmp}
  - {name: models, mountPath: /models}
{{- end }}
