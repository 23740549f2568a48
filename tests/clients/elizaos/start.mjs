// What a program does first with ElizaOS's own client: it pings the server, looks its agent up, makes a session, and
// sends a message, whose response it reads as its version of the client has it.

import assert from 'node:assert/strict';

const { BASE_URL, API_KEY, CLIENTS_HOME } = process.env;
const version = process.argv[2];
const { ElizaClient, ApiError } = await import(`${CLIENTS_HOME}/elizaos-${version}/package/dist/index.js`);
const client = ElizaClient.create({ baseUrl: BASE_URL, apiKey: API_KEY });

const pong = await client.server.ping();
assert.equal(pong.pong, true);

const { agents } = await client.agents.listAgents();
const agent = agents.find((agent) => agent.id === '3c90c3cc-0d44-4b50-8888-8dd25736052a');
assert.ok(agent && agent.status === 'active' && typeof agent.name === 'string' && agent.characterName === agent.name, 'the agent');

const userId = 'a1b2c3d4-e5f6-7890-abcd-ef1234567890';
const { sessionId } = await client.sessions.createSession({ agentId: agent.id, userId, metadata: { version } });
const sent = await client.sessions.sendMessage(sessionId, { content: 'hello', metadata: { tag: 'first' } });
// As 1.4.2 declares it, and the vendor's page still has it.
assert.match(sent.id, /^[0-9a-f-]{36}$/);
assert.equal(sent.content, 'hello');
assert.equal(sent.authorId, userId);
assert.ok(Math.abs(new Date(sent.createdAt) - Date.now()) < 60_000, `createdAt: ${sent.createdAt}`);
assert.equal(sent.metadata.tag, 'first');
// As 1.7.2 has it.
assert.equal(sent.userMessage.id, sent.id);
assert.equal(sent.sessionStatus.wasRenewed, true);
const { messages } = await client.sessions.getMessages(sessionId);
assert.ok(messages.some((message) => message.id === sent.id && message.content === 'hello'));
await client.sessions.deleteSession(sessionId);

const stranger = ElizaClient.create({ baseUrl: BASE_URL, apiKey: 'pk_live_nobodys' });
for (const call of [() => stranger.server.ping(), () => stranger.agents.listAgents()]) {
    await assert.rejects(call(), (error) => error instanceof ApiError && error.status === 401);
}
console.log(`@elizaos/api-client ${version}: ping, agents, a session and its first message`);
