// The Vercel AI SDK in the version that the argument names, with its own telemetry, below a span of the request as
// Next.js and Express make it.

import { SpanStatusCode, trace } from '@opentelemetry/api';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto';
import { BatchSpanProcessor, NodeTracerProvider } from '@opentelemetry/sdk-trace-node';
import { z } from 'zod';
import { conversations, degrees, instructions, modelUrl } from './conversations.mjs';

const [version, streams] = process.argv.slice(2);
const { createOpenAI } = await import(`openai${version}`);
const ai = await import(version === '7' ? 'ai' : `ai${version}`);

const provider = new NodeTracerProvider({ spanProcessors: [new BatchSpanProcessor(new OTLPTraceExporter())] });
provider.register();
if (version === '7') {
  const { OpenTelemetry } = await import('@ai-sdk/otel');
  ai.registerTelemetry(new OpenTelemetry({ runtimeContext: true }));
}

const model = createOpenAI({ baseURL: modelUrl, apiKey: 'none', compatibility: 'strict' });
const parameters = z.object({ city: z.string() });
const weather = ai.tool({
  description: 'Returns the weather in a city',
  parameters, // 4
  inputSchema: parameters, // from 5
  execute: async ({ city }) => degrees(city),
});

/** How each version is told whose call it is. */
const telemetry = (session, user) =>
  version === '7'
    ? { telemetry: { isEnabled: true, functionId: 'weather bot', includeRuntimeContext: { sessionId: true, userId: true } }, runtimeContext: { sessionId: session, userId: user } }
    : { experimental_telemetry: { isEnabled: true, functionId: 'weather bot', metadata: { sessionId: session, userId: user } } };

/** Until the model no longer calls its tool. */
const untilText = version === '4' ? { maxSteps: 3 } : { stopWhen: ai.stepCountIs?.(3) };

for (const { session, user, questions } of conversations) {
  const messages = [];
  for (const question of questions) {
    messages.push({ role: 'user', content: question });
    await trace.getTracer('next.js').startActiveSpan('POST /api/chat', { attributes: { 'http.route': '/api/chat' } }, async (span) => {
      const options = { model: model.chat('m-1'), system: instructions, messages, tools: { weather }, ...untilText, ...telemetry(session, user) };
      let reply;
      if (streams) {
        const stream = ai.streamText(options);
        for await (const _ of stream.textStream);
        reply = await stream.text;
      } else {
        reply = (await ai.generateText(options)).text;
      }
      messages.push({ role: 'assistant', content: reply });
      span.setStatus({ code: SpanStatusCode.OK });
      span.end();
    });
  }
}
await provider.forceFlush();
await provider.shutdown();
