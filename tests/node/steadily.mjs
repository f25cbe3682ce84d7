// Uses a feature again and again with the real OpenTelemetry SDK and its default settings, over HTTP.
// Arguments: the receiver's address, the key, how many times, and seconds in all.
import { resourceFromAttributes } from '@opentelemetry/resources';
import { BasicTracerProvider, BatchSpanProcessor } from '@opentelemetry/sdk-trace-base';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';

const [address, key, times, seconds] = process.argv.slice(2);
const exporter = new OTLPTraceExporter({ url: `${address}/v1/traces`, headers: { Authorization: `Bearer ${key}` } });
const tracers = new BasicTracerProvider({
  resource: resourceFromAttributes({ 'service.name': 'steady' }),
  spanProcessors: [new BatchSpanProcessor(exporter)],
});
const tracer = tracers.getTracer('steady');
for (let made = 0; made < Number(times); made++) {
  const attributes = { 'user.id': 'bench-user-1', 'feature.name': 'node', 'feature.action': 'used' };
  tracer.startSpan('x', { attributes }).end();
  await new Promise((done) => setTimeout(done, (Number(seconds) * 1000) / Number(times)));
}
await tracers.shutdown();
