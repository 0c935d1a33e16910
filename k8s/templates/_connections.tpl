{{- define "pavane.natsUrl" -}}
{{- if .Values.nats.bundled -}}
{{ ternary "tls" "nats" .Values.nats.tls.enabled }}://nats:4222
{{- else -}}
{{ .Values.nats.url }}
{{- end -}}
{{- end }}

{{/* How to reach NATS, and as whom. The seed is a file, so that it is in no environment. */}}
{{- define "pavane.natsEnv" -}}
- { name: NATS_URL, value: {{ include "pavane.natsUrl" . | quote }} }
- { name: NATS_NKEY_FILE, value: /etc/nats-key/seed }
{{- if .Values.nats.tls.enabled }}
- { name: NATS_CA_FILE, value: /etc/nats-ca/ca.crt }
{{- end }}
{{- end }}

{{- define "pavane.natsMounts" -}}
- { name: nats-key, mountPath: /etc/nats-key, readOnly: true }
{{- if .Values.nats.tls.enabled }}
- { name: nats-ca, mountPath: /etc/nats-ca, readOnly: true }
{{- end }}
{{- end }}

{{/* (list $ user) */}}
{{- define "pavane.natsVolumes" -}}
- name: nats-key
  secret: { secretName: nats-{{ index . 1 }}, items: [{ key: seed, path: seed }], defaultMode: 0440 }
{{- with (index . 0).Values.nats.tls }}
{{- if .enabled }}
- name: nats-ca
  secret: { secretName: {{ .secret }}, items: [{ key: ca.crt, path: ca.crt }], defaultMode: 0440 }
{{- end }}
{{- end }}
{{- end }}

{{/* The password that the URLs of the bundled database refer to; must come before them. */}}
{{- define "pavane.postgresPassword" -}}
{{- if .Values.postgres.bundled }}
- name: POSTGRES_PASSWORD
  valueFrom: { secretKeyRef: { name: {{ .Values.postgres.secret }}, key: password } }
{{- end }}
{{- end }}

{{/* The URL of one service's database: (list $ variable service) */}}
{{- define "pavane.databaseUrl" -}}
{{- $root := index . 0 -}}
- name: {{ index . 1 }}
{{- if $root.Values.postgres.bundled }}
  value: postgresql://postgres:$(POSTGRES_PASSWORD)@postgres:5432/{{ index . 2 }}
{{- else }}
  valueFrom: { secretKeyRef: { name: {{ (index $root.Values.services (index . 2)).secrets.DATABASE_URL }}, key: DATABASE_URL } }
{{- end }}
{{- end }}
