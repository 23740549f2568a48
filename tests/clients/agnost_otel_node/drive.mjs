// Spans as the Vercel AI SDK names them, exported by the OpenTelemetry SDK of Node: JSON and protobuf, plain and packed.

import { randomUUID } from 'node:crypto';
import { context, SpanStatusCode, trace } from '@opentelemetry/api';
import { OTLPTraceExporter as JsonExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { OTLPTraceExporter as ProtobufExporter } from '@opentelemetry/exporter-trace-otlp-proto';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { BasicTracerProvider, BatchSpanProcessor } from '@opentelemetry/sdk-trace-base';
import { conversation, dashboard, same } from './dashboard.mjs';

const { BASE_URL, ORG_ID } = process.env;
const run = randomUUID().slice(0, 8);

function talk(tracer, session) {
  const turn = tracer.startSpan('ai.generateText', {
    attributes: {
      'ai.telemetry.metadata.sessionId': session,
      'ai.telemetry.metadata.userId': 'ann',
      'ai.telemetry.functionId': 'support',
      'ai.prompt': 'Where is my order?',
      'ai.response.text': 'On its way. 🚚',
      tokens: [1, 2.5],
    },
  });
  const within = trace.setSpan(context.active(), turn);
  const call = tracer.startSpan(
    'ai.toolCall',
    { attributes: { 'ai.toolCall.name': 'search', 'ai.toolCall.args': '{"q":"order"}' } },
    within,
  );
  call.setStatus({ code: SpanStatusCode.ERROR, message: 'no such order' });
  call.end();
  turn.end();
}

for (const [name, Exporter] of [['json', JsonExporter], ['protobuf', ProtobufExporter]]) {
  for (const compression of ['none', 'gzip']) {
    const exporter = new Exporter({
      url: `${BASE_URL}/v1/traces`,
      headers: { 'X-Agnost-Org-ID': ORG_ID },
      compression,
    });
    const provider = new BasicTracerProvider({
      resource: resourceFromAttributes({ 'service.name': 'toy' }),
      spanProcessors: [new BatchSpanProcessor(exporter, { maxQueueSize: 4_096 })],
    });
    const session = (number) => `otel-${run}-${name}-${compression}-${number}`;
    for (let number = 0; number < 200; number++) talk(provider.getTracer('toy'), session(number));
    await provider.forceFlush();
    await provider.shutdown();
    for (let number = 0; number < 200; number++) {
      const found = await conversation(session(number), 2);
      same('the user', [found.user_id, found.client_config], ['ann', 'toy']);
      const turn = found.messages.find((message) => message.kind === 'turn');
      const tool = found.messages.find((message) => message.kind === 'tool');
      same('the turn', [turn.primitive_name, turn.input, turn.output], ['support', 'Where is my order?', 'On its way. 🚚']);
      same('its numbers', turn.metadata.tokens, [1, 2.5]);
      same('the tool', [tool.primitive_name, tool.input, tool.output, tool.success], ['search', '{"q":"order"}', 'no such order', false]);
      same('who called whom', tool.parent_id, turn.id);
    }
    const { spans } = await dashboard('conversation-spans', { conversation_id: session(0) });
    same('the hierarchy', spans.map((span) => span.depth), [0, 1]);
  }
}
console.log('OpenTelemetry (Node): 1,600 spans arrived once and read as they were made');
