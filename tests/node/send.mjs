// Sends a login, a use of a feature and an HTTP server span with the real OpenTelemetry SDK, as OTLP/JSON
// or over gRPC. Arguments: the receiver's address, the key, and `grpc` for the latter. Prints one line of JSON: what the exporters were told.
import { SpanKind, diag, DiagLogLevel } from '@opentelemetry/api';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { BatchLogRecordProcessor, LoggerProvider } from '@opentelemetry/sdk-logs';
import { BasicTracerProvider, BatchSpanProcessor } from '@opentelemetry/sdk-trace-base';

const [address, key, protocol = 'http'] = process.argv.slice(2);
const { OTLPLogExporter } = await import(`@opentelemetry/exporter-logs-otlp-${protocol}`);
const { OTLPTraceExporter } = await import(`@opentelemetry/exporter-trace-otlp-${protocol}`);
const told = [];
const tell = (...words) => told.push(words.map(String).join(' '));
diag.setLogger({ error: tell, warn: tell, info() {}, debug() {}, verbose() {} }, DiagLogLevel.WARN);

async function options(path) {
  if (protocol === 'http') return { url: `${address}${path}`, headers: { Authorization: `Bearer ${key}` } };
  const { Metadata } = await import('@grpc/grpc-js');
  const metadata = new Metadata();
  metadata.set('authorization', `Bearer ${key}`);
  return { url: address, metadata };
}
const resource = resourceFromAttributes({ 'service.name': 'shop', 'service.version': '1.2.3', 'deployment.type': 'cloud' });
const who = { 'user.id': 'node-user', 'organization.id': 'node-organization', 'session.id': 'node-session' };

const traceExporter = new OTLPTraceExporter(await options('/v1/traces'));
const tracers = new BasicTracerProvider({ resource, spanProcessors: [new BatchSpanProcessor(traceExporter)] });
const span = tracers.getTracer('shop').startSpan('GET /orders/:id', {
  kind: SpanKind.SERVER,
  attributes: {
    ...who,
    'http.request.method': 'GET',
    'http.route': '/orders/:id',
    'url.path': '/orders/17',
    'http.response.status_code': 200,
  },
});
span.end();

const logExporter = new OTLPLogExporter(await options('/v1/logs'));
const loggers = new LoggerProvider({ resource, processors: [new BatchLogRecordProcessor({ exporter: logExporter })] });
const logger = loggers.getLogger('shop');
logger.emit({ eventName: 'auth.login', attributes: { ...who, login_method: 'oidc' } });
logger.emit({ eventName: 'cart.filled', attributes: { ...who, count: 3, 'user.email': 'jane@example.com' } });

await tracers.shutdown();
await loggers.shutdown();
console.log(JSON.stringify(told));
