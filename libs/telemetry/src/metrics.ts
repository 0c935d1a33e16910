import { PrometheusExporter, PrometheusSerializer } from '@opentelemetry/exporter-prometheus';

/** A reader that is asked by the service's own /metrics route; it opens no port. */
export function prometheusReader(): { reader: PrometheusExporter; render: () => Promise<string> } {
  const reader = new PrometheusExporter({ preventServerStart: true });
  const serializer = new PrometheusSerializer(undefined, false, undefined, false, true);
  return {
    reader,
    render: async () => {
      const { resourceMetrics, errors } = await reader.collect();
      const text = serializer.serialize(resourceMetrics);
      // A broken observable must be visible to whoever scrapes, and must not hide the other metrics.
      return errors.length > 0
        ? `${text}# ${errors.length} instruments failed: ${errors.map(String).join('; ')}\n`
        : text;
    },
  };
}
