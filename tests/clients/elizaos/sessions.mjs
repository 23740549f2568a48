// A whole session life through ElizaOS's own client, and what it does not speak (renewals, time-outs, streams) by fetch.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';

const { BASE_URL, API_KEY, CLIENTS_HOME, DEMO_JSON, SERVICE_PID } = process.env;
const { ElizaClient, ApiError } = await import(`${CLIENTS_HOME}/elizaos-1.7.2/package/dist/index.js`);

const agentId = '3c90c3cc-0d44-4b50-8888-8dd25736052a';
const userId = 'a1b2c3d4-e5f6-7890-abcd-ef1234567890';
const sessions = ElizaClient.create({ baseUrl: BASE_URL, apiKey: API_KEY }).sessions;
const anonymous = ElizaClient.create({ baseUrl: BASE_URL }).sessions;
assert.ok(JSON.parse(readFileSync(DEMO_JSON)).agents.some((agent) => agent.id === agentId), 'the demo has the agent');

async function ask(method, path, body) {
    const headers = { 'x-api-key': API_KEY, 'content-type': 'application/json' };
    const answer = await fetch(`${BASE_URL}/api/messaging${path}`, { method, headers, body: body && JSON.stringify(body) });
    return { status: answer.status, body: await answer.json() };
}

async function fails(promise, status, code, message) {
    await assert.rejects(promise, (error) => {
        assert.ok(error instanceof ApiError, `an ApiError, not ${error}`);
        assert.equal(error.status, status);
        assert.equal(error.code, code);
        assert.match(error.message, message);
        return true;
    });
}

async function until(what, look) {
    for (let tries = 0; tries < 300; tries++) {
        const found = await look().catch(() => undefined);
        if (found) return found;
        await new Promise((resolve) => setTimeout(resolve, 100));
    }
    assert.fail(`waited in vain until ${what}`);
}

// create, get, list, health
const metadata = { platform: 'web', username: 'ann', discriminator: '0001', avatar: 'https://example.com/a.png' };
const timeoutConfig = { timeoutMinutes: 722, autoRenew: true, maxDurationMinutes: 123, warningThresholdMinutes: 123 };
const created = await sessions.createSession({ agentId, userId, metadata, timeoutConfig });
const id = created.sessionId;
assert.match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
assert.deepEqual(created.metadata, metadata);
assert.deepEqual(created.timeoutConfig, { ...timeoutConfig, maxDurationMinutes: 722 });
const { sessionId, channelId, expiresAt } = await sessions.getSession(id);
assert.deepEqual({ sessionId, channelId, expiresAt }, { sessionId: id, channelId: created.channelId, expiresAt: created.expiresAt });
const listed = await sessions.listSessions();
assert.ok(listed.sessions.some((session) => session.sessionId === id) && listed.total === listed.sessions.length);
const health = await sessions.checkHealth();
assert.ok(health.status === 'healthy' && health.activeSessions === listed.total);

// messages: at once, with the reply, and with a reply that a worker would have posted
const sent = await sessions.sendMessage(id, { content: 'first', metadata: { tags: ['a', 'b'] }, attachments: [{ type: 'file', url: 'x' }] });
assert.equal(sent.success, true);
assert.equal(sent.userMessage.content, 'first');
assert.deepEqual(sent.userMessage.metadata.tags, ['a', 'b']);
assert.equal(sent.userMessage.metadata.username, 'ann');
assert.ok(sent.sessionStatus.wasRenewed && sent.sessionStatus.renewalCount === 1);
const replied = await sessions.sendMessageSync(id, { content: 'second' });
assert.equal(replied.agentResponse.text, 'You said: second');
assert.equal(replied.sessionStatus.isNearExpiration, false);
const third = await sessions.sendMessage(id, { content: 'third', transport: 'http' });
assert.equal(third.agentResponse.inReplyTo, third.userMessage.id);
const submitted = await ask('POST', '/submit', {
    channel_id: channelId, message_server_id: '00000000-0000-0000-0000-000000000000', author_id: agentId,
    content: 'from a worker', source_type: 'agent_response', raw_message: { thought: 'none' },
});
assert.equal(submitted.status, 201);

// the history: whole, once, and in pages both ways
const everything = ['first', 'You said: first', 'second', 'You said: second', 'third', 'You said: third', 'from a worker'];
const history = await until('every reply is kept', async () => {
    const { messages } = await sessions.getMessages(id);
    return messages.length === everything.length && messages;
});
assert.deepEqual(history.map((message) => message.content).sort(), [...everything].sort());
assert.ok(history.every((message) => message.isAgent === !['first', 'second', 'third'].includes(message.content)));
for (const [cursor, edge] of [['before', 'last'], ['after', 'first']]) {
    const seen = [];
    let page = cursor === 'before' ? await sessions.getMessages(id, { limit: 2 })
        : await sessions.getMessages(id, { limit: 2, after: new Date(Date.now() - 3_600_000) });
    while (page.messages.length) {
        seen.push(...page.messages.map((message) => message.id));
        const at = edge === 'last' ? page.messages.at(-1).createdAt : page.messages[0].createdAt;
        page = await sessions.getMessages(id, { limit: 2, [cursor]: at });
    }
    assert.deepEqual(seen.sort(), history.map((message) => message.id).sort(), `paging by ${cursor}`);
}

// a stream, as an EventSource reads it
const stream = await fetch(`${BASE_URL}/api/messaging/sessions/${id}/messages`, {
    method: 'POST', headers: { 'x-api-key': API_KEY, 'content-type': 'application/json' },
    body: JSON.stringify({ content: 'streamed ☕', transport: 'sse' }),
});
assert.equal(stream.headers.get('content-type'), 'text/event-stream; charset=utf-8');
const frames = (await stream.text()).split('\n\n').filter(Boolean).map((frame) => {
    const [, event, data] = /^event: (.*)\ndata: (.*)$/.exec(frame);
    return { event, data: JSON.parse(data) };
});
assert.deepEqual(frames.map((frame) => frame.event), ['user_message', 'chunk', 'done']);
assert.equal(frames[1].data.chunk, frames[2].data.text);
assert.equal(frames[2].data.text, 'You said: streamed ☕');

// renewals and time-outs
assert.equal((await ask('POST', `/sessions/${id}/renew`)).body.renewalCount, 5);
assert.equal((await ask('POST', `/sessions/${id}/heartbeat`)).body.renewalCount, 6);
assert.equal((await ask('PATCH', `/sessions/${id}/timeout`, { timeoutMinutes: 60 })).body.timeoutConfig.timeoutMinutes, 60);
assert.equal((await ask('PATCH', `/sessions/${id}/timeout`, { timeoutMinutes: 1 })).status, 400);

// a restart, without warning: the original forgets every session
process.kill(Number(readFileSync(SERVICE_PID, 'utf8')), 'SIGKILL');
const survived = await until('the service is back', () => sessions.getSession(id));
assert.equal(survived.renewalCount, 6);
assert.equal((await sessions.getMessages(id)).messages.length, 9);
assert.equal((await sessions.sendMessageSync(id, { content: 'still here?' })).agentResponse.text, 'You said: still here?');

// errors, as the client words them
await fails(sessions.createSession({ agentId: 'x', userId }), 400, 'VALIDATION_ERROR', /Invalid UUID format for field 'agentId'/);
await fails(sessions.createSession({ agentId: userId.replace('a', 'b'), userId }), 404, 'AGENT_NOT_FOUND', /not found/);
await fails(sessions.getSession('nobody'), 404, 'SESSION_NOT_FOUND', /Session with ID 'nobody' not found/);
await fails(sessions.sendMessage(id, { content: 'x'.repeat(4001) }), 400, 'VALIDATION_ERROR', /maximum length of 4000/);
await assert.rejects(sessions.sendMessage(id, { content: ' ' }), /content/);
const stranger = ElizaClient.create({ baseUrl: BASE_URL, apiKey: 'pk_live_nobodys' }).sessions;
await fails(stranger.listSessions(), 401, 'HTTP_ERROR', /Unknown error/);
// Without a key the demo organization stands in, on this machine.
assert.equal((await anonymous.getSession(id)).sessionId, id);

// the end
assert.deepEqual(await sessions.deleteSession(id), { success: true });
await fails(sessions.getSession(id), 404, 'SESSION_NOT_FOUND', /not found/);
await fails(sessions.deleteSession(id), 404, 'SESSION_NOT_FOUND', /not found/);
console.log('a whole session life, over a restart');
