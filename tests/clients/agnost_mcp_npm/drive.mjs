// Tool calls through a toy MCP server that the vendor's npm client tracks.

import { randomUUID } from 'node:crypto';
import { createConfig, trackMCP } from 'agnost';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { InMemoryTransport } from '@modelcontextprotocol/sdk/inMemory.js';
import { Server } from '@modelcontextprotocol/sdk/server/index.js';
import { CallToolRequestSchema, ListToolsRequestSchema } from '@modelcontextprotocol/sdk/types.js';
import { dashboard, eventually, fail, same } from './dashboard.mjs';

const { BASE_URL, ORG_ID } = process.env;
const tool = `add_${randomUUID().slice(0, 8)}`;

const server = new Server({ name: 'toy', version: '1.0.0' }, { capabilities: { tools: {} } });
server.setRequestHandler(ListToolsRequestSchema, async () => ({
  tools: [{ name: tool, description: 'Adds two numbers.', inputSchema: { type: 'object' } }],
}));
server.setRequestHandler(CallToolRequestSchema, async ({ params }) => {
  const { a, b } = params.arguments;
  if (a < 0) throw new Error('no negative numbers');
  return { content: [{ type: 'text', text: String(a + b) }] };
});
trackMCP(
  server,
  ORG_ID,
  createConfig({ endpoint: BASE_URL, identify: () => ({ userId: 'ann', role: 'admin' }) }),
);

const [mine, theirs] = InMemoryTransport.createLinkedPair();
const client = new Client({ name: 'toy-client', version: '1.0.0' });
await Promise.all([server.connect(theirs), client.connect(mine)]);
for (let number = 0; number < 20; number++) {
  await client.callTool({ name: tool, arguments: { a: number, b: 1 } });
}
await client.callTool({ name: tool, arguments: { a: -1, b: 1 } }).catch(() => {});

const { logs } = await eventually(
  'the calls never came',
  () => dashboard('raw-logs', { agent_name: tool, page_size: 100 }),
  (page) => page.logs.length >= 21,
);
same('how many calls came', logs.length, 21);
same('one conversation', new Set(logs.map((call) => call.session_id)).size, 1);
same('the kinds', [...new Set(logs.map((call) => call.kind))], ['tool']);
const given = logs.map((call) => JSON.parse(call.input)).sort((x, y) => x.a - y.a);
same('the arguments', given, Array.from({ length: 21 }, (_, number) => ({ a: number - 1, b: 1 })));
const failed = logs.filter((call) => !call.success);
same('what failed', failed.map((call) => JSON.parse(call.input).a), [-1]);
if (!failed[0].output.includes('no negative numbers')) fail(`the error reads as ${failed[0].output}`);
const five = logs.find((call) => JSON.parse(call.input).a === 4);
if (!five.output.includes('5')) fail(`4 + 1 reads as ${five.output}`);
const { tool_stats } = await dashboard('tool-stats', { agent_name: tool });
same('the figures', tool_stats.map((row) => [row.name, row.count, row.error_count]), [[tool, 21, 1]]);
console.log('agnost 0.2.1 (npm): 21 calls arrived once and read as they were made');
process.exit(0);
