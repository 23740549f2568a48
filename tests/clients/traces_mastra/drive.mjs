// Mastra 1.x with its own exporter for OpenTelemetry.

import { createOpenAI } from 'openai6';
import { Agent } from '@mastra/core/agent';
import { Mastra } from '@mastra/core/mastra';
import { createTool } from '@mastra/core/tools';
import { Observability } from '@mastra/observability';
import { OtelExporter } from '@mastra/otel-exporter';
import { z } from 'zod';
import { conversations, degrees, instructions, modelUrl } from './conversations.mjs';

const { OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_EXPORTER_OTLP_HEADERS } = process.env;
const [name, value] = OTEL_EXPORTER_OTLP_HEADERS.split('=');
const endpoint = `${OTEL_EXPORTER_OTLP_ENDPOINT}/v1/traces`;

const weather = createTool({
  id: 'weather',
  description: 'Returns the weather in a city',
  inputSchema: z.object({ city: z.string() }),
  execute: async (input) => degrees((input.context ?? input).city),
});
const agent = new Agent({
  id: 'weather-bot',
  name: 'weather bot',
  instructions,
  model: createOpenAI({ baseURL: modelUrl, apiKey: 'none' }).chat('m-1'),
  tools: { weather },
});
const mastra = new Mastra({
  agents: { weatherBot: agent },
  logger: false,
  observability: new Observability({
    configs: {
      otel: {
        serviceName: 'toy',
        exporters: [new OtelExporter({ provider: { custom: { endpoint, protocol: 'http/protobuf', headers: { [name]: value } } } })],
      },
    },
  }),
});

for (const { session, user, questions } of conversations) {
  const messages = [];
  for (const question of questions) {
    messages.push({ role: 'user', content: question });
    const reply = await mastra.getAgent('weatherBot').generate(messages, {
      tracingOptions: { metadata: { sessionId: session, userId: user } },
    });
    messages.push({ role: 'assistant', content: reply.text });
  }
}
await mastra.shutdown();
