{{/* What finds the pods of one component: (list $ name) */}}
{{- define "pavane.selector" -}}
app.kubernetes.io/name: {{ index . 1 }}
app.kubernetes.io/instance: {{ (index . 0).Release.Name }}
{{- end }}

{{/* Labels of one component: (list $ name) */}}
{{- define "pavane.labels" -}}
{{- $root := index . 0 -}}
{{ include "pavane.selector" . }}
app.kubernetes.io/part-of: {{ $root.Chart.Name }}
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
helm.sh/chart: {{ $root.Chart.Name }}-{{ $root.Chart.Version }}
{{- end }}

{{/* Bytes of a quantity such as 7Gi */}}
{{- define "pavane.bytes" -}}
{{- $quantity := ternary (. | int64 | toString) (toString .) (kindIs "float64" .) -}}
{{- $number := regexFind "^[0-9.]+" $quantity -}}
{{- $units := dict "" 1 "m" 0.001 "k" 1000 "Ki" 1024 "M" 1000000 "Mi" 1048576 "G" 1000000000 "Gi" 1073741824 "T" 1000000000000 "Ti" 1099511627776 -}}
{{ mulf (float64 $number) (index $units (trimPrefix $number $quantity)) | floor | int64 }}
{{- end }}

{{/* Image of one part: (list $ part) */}}
{{- define "pavane.image" -}}
{{- $image := (index . 0).Values.image -}}
{{ $image.registry }}/{{ $image.prefix }}{{ index . 1 }}:{{ $image.tag | default (index . 0).Chart.AppVersion }}
{{- end }}

{{/* What every pod says of itself, to be admitted where Pod Security is `restricted`: (list $ uid) */}}
{{- define "pavane.pod" -}}
{{- $root := index . 0 -}}
automountServiceAccountToken: false
# Variables such as NATS_PORT, which Kubernetes adds for each Service, mean something else to us.
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: {{ index . 1 }}
  runAsGroup: {{ index . 1 }}
  fsGroup: {{ index . 1 }}
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile: { type: RuntimeDefault }
{{- with $root.Values.image.pullSecrets }}
imagePullSecrets: {{- range . }}
  - name: {{ . }}
{{- end }}
{{- end }}
{{- end }}

{{- define "pavane.containerSecurity" -}}
{ allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: { drop: [ALL] } }
{{- end }}

{{/* Spreads the pods of one component over nodes and zones: (list $ name) */}}
{{- define "pavane.spread" -}}
topologySpreadConstraints:
{{- range list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
  - maxSkew: 1
    topologyKey: {{ . }}
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels: {{- include "pavane.selector" $ | nindent 8 }}
{{- end }}
{{- end }}

{{/* Waits until something listens: (list $ host port) */}}
{{- define "pavane.waitFor" -}}
- name: wait-for-{{ index . 1 }}
  image: {{ include "pavane.image" (list (index . 0) "tools") }}
  imagePullPolicy: {{ (index . 0).Values.image.pullPolicy }}
  # A Service has an address behind it only once a pod of it is ready.
  command:
    - node
    - -e
    - |
      const { connect } = require('node:net');
      const attempt = () => {
        const socket = connect({{ index . 2 }}, '{{ index . 1 }}', () => process.exit(0));
        socket.setTimeout(2000, () => socket.destroy(new Error('no answer')));
        socket.on('error', (error) => (console.log(`waiting: ${error.message}`), setTimeout(attempt, 1000)));
      };
      attempt();
  securityContext: {{ include "pavane.containerSecurity" . }}
  resources: {{- toYaml (index . 0).Values.resources | nindent 4 }}
{{- end }}
