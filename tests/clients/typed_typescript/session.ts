// A session in every dialect, with nothing but what the generated types have. What does not compile is a fault of the
// documents as much as what fails.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import createClient from 'openapi-fetch';
import type { paths as AgentKey } from './agent_key.js';
import type { paths as Agnost } from './agnost.js';
import type { paths as Agntix } from './agntix.js';
import type { paths as IntegerId } from './integer_id.js';
import type { paths as Messaging } from './messaging.js';
import type { components, paths as Sessionary } from './sessionary.js';

function setting(name: string): string {
    const value = process.env[name];
    assert.ok(value, name);
    return value;
}

const [baseUrl, key, org] = [setting('BASE_URL'), setting('API_KEY'), setting('ORG_ID')];
const options = { baseUrl, headers: { 'x-api-key': key } };
const text = 'Where is my order?';

async function agnost(): Promise<void> {
    const client = createClient<Agnost>({ baseUrl, headers: { 'x-org-id': org } });
    const session_id = randomUUID();
    const session = await client.POST('/api/v1/capture-session', {
        body: { session_id, user_data: { user_id: 'user_42' }, metadata: { plan: 'pro' } },
    });
    assert.equal(session.data?.session_id, session_id);
    const event_id = randomUUID();
    const event = await client.POST('/api/v1/capture-event', {
        body: { event_id, session_id, primitive_name: 'search', args: text, result: 'On its way.', latency: 120 },
    });
    assert.equal(event.data?.event_id, event_id);

    const dashboard = createClient<Agnost>(options);
    const conversation_id = session_id;
    const read = await dashboard.POST('/dashboard/api/conversation-messages', { body: { conversation_id } });
    assert.equal(read.response.status, 200);
    const absent = await dashboard.GET('/dashboard/api/sops');
    assert.equal(absent.response.status, 501);
    const why: string | undefined = absent.error?.error;
    assert.ok(why);
}

async function agntix(): Promise<void> {
    const client = createClient<Agntix>(options);
    const agents = await client.GET('/v2/chat/agents', { params: { query: { limit: 1 } } });
    const agentId = agents.data?.data[0]?.id;
    assert.ok(agentId);
    const created = await client.POST('/v1/chat/chat/sessions', { body: { agentId, metadata: { plan: 'pro' } } });
    const sessionId = created.data?.id;
    assert.ok(sessionId);
    const path = { sessionId };
    const sent = await client.POST('/v1/chat/chat/sessions/{sessionId}/messages', {
        params: { path },
        body: { content: text, stream: false },
    });
    assert.ok([200, 422].includes(sent.response.status)); // 422 where no responder is set up.
    const closed = await client.PATCH('/v1/chat/chat/sessions/{sessionId}/close', { params: { path } });
    assert.equal(closed.data?.state, 'CLOSED');
    const again = await client.POST('/api/v1/chat/sessions/{sessionId}/messages', {
        params: { path },
        body: { content: text, stream: false },
    });
    const code: string | undefined = again.error?.error.code;
    assert.equal(code, 'INVALID_SESSION');
}

async function agentKey(): Promise<void> {
    const client = createClient<AgentKey>(options);
    const path = { agent_key: 'customer_support' };
    const created = await client.POST('/v2/agents/{agent_key}/sessions', {
        params: { path },
        body: { name: `Typed ${randomUUID()}`, metadata: { channel: 'web' } },
    });
    const session_key = created.data?.key;
    assert.ok(session_key);
    const read = await client.GET('/v2/agents/{agent_key}/sessions/{session_key}', {
        params: { path: { ...path, session_key } },
    });
    assert.deepEqual(read.data?.metadata, { channel: 'web' });
    const said = await client.POST('/v2/agents/{agent_key}/sessions/{session_key}/events', {
        params: { path: { ...path, session_key } },
        body: { messages: [{ type: 'text', content: text }] },
    });
    assert.ok(typeof said.data === 'object'); // A text where the reply streams.
    assert.equal(said.data.session_key, session_key);
    const none = await client.GET('/v2/agents/{agent_key}', { params: { path: { agent_key: 'nobody' } } });
    const messages: string[] | undefined = none.error?.messages;
    assert.equal(messages?.length, 1);
}

async function messaging(): Promise<void> {
    const client = createClient<Messaging>(options);
    const agents = await client.GET('/api/agents');
    const agentId = agents.data?.data.agents[0]?.id;
    assert.ok(agentId);
    const created = await client.POST('/api/messaging/sessions', {
        body: { agentId, userId: randomUUID(), metadata: { platform: 'web' }, timeoutConfig: { timeoutMinutes: 60 } },
    });
    const sessionId = created.data?.sessionId;
    assert.ok(sessionId);
    const path = { sessionId };
    const sent = await client.POST('/api/messaging/sessions/{sessionId}/messages', {
        params: { path },
        body: { content: text },
    });
    assert.equal(sent.response.status, 201);
    const read = await client.GET('/api/messaging/sessions/{sessionId}/messages', { params: { path } });
    assert.ok(read.data?.messages.some((message) => message.content === text));
    const ended = await client.DELETE('/api/messaging/sessions/{sessionId}', { params: { path } });
    assert.equal(ended.response.status, 200);
}

async function integerId(): Promise<void> {
    const client = createClient<IntegerId>(options);
    const agents = await client.GET('/api/v1/agents');
    const agent_id = agents.data?.agents[0]?.agent_id;
    assert.ok(agent_id);
    const started = await client.POST('/api/v1/sessions', { body: { agent_id, metadata: { source: 'web' } } });
    const session_id = started.data?.session.session_id;
    assert.ok(session_id);
    const path = { session_id };
    const sent = await client.POST('/api/v1/sessions/{session_id}/messages', {
        params: { path },
        body: { content: text },
    });
    assert.equal(sent.data?.message.content, text);
    const ended = await client.PUT('/api/v1/sessions/{session_id}/end', { params: { path } });
    assert.equal(ended.data?.success, true);
    const bad = await client.POST('/api/v1/sessions', { body: { agent_id: -1 } });
    const why: string | undefined = bad.error?.error;
    assert.ok(why);
}

// The own API over the sessions that the dialects have created.
async function sessionary(): Promise<void> {
    const client = createClient<Sessionary>(options);
    const version = await client.GET('/sessionary/v1/version');
    assert.equal(version.data?.api, 'v1');
    const me = await client.GET('/sessionary/v1/me');
    assert.equal(me.data?.organization.id, org);
    assert.equal(me.data?.credential.kind, 'api_key');

    // That of the dialect's own run is deleted.
    const vendor = createClient<Messaging>(options);
    const agentId = (await vendor.GET('/api/agents')).data?.data.agents[0]?.id;
    assert.ok(agentId);
    await vendor.POST('/api/messaging/sessions', { body: { agentId, userId: randomUUID() } });

    const listed = await client.GET('/sessionary/v1/sessions', { params: { query: { limit: 100 } } });
    const sessions = new Map<string, components['schemas']['Session']>();
    for (const session of listed.data?.data ?? []) if (!sessions.has(session.dialect)) sessions.set(session.dialect, session);
    assert.deepEqual([...sessions.keys()].sort(), ['agent_key', 'agnost', 'agntix', 'integer_id', 'messaging']);
    const query = { limit: 1, dialect: ['agent_key', 'agntix'] };
    const first = await client.GET('/sessionary/v1/sessions', { params: { query } });
    const cursor = first.data?.next_cursor;
    assert.ok(cursor);
    const second = await client.GET('/sessionary/v1/sessions', { params: { query: { ...query, cursor } } });
    assert.notEqual(second.data?.data[0]?.id, first.data?.data[0]?.id);

    const keyed = sessions.get('agent_key');
    assert.ok(keyed);
    const path = { session_id: keyed.id };
    const read = await client.GET('/sessionary/v1/sessions/{session_id}', { params: { path } });
    assert.deepEqual(read.data?.metadata, { channel: 'web' });
    const etag = read.response.headers.get('etag');
    assert.ok(etag);
    const params = { path, header: { 'If-Match': etag } };
    const body = { name: 'Renamed', metadata: { channel: 'phone', tier: 2 } };
    const changed = await client.PATCH('/sessionary/v1/sessions/{session_id}', { params, body });
    assert.equal(changed.data?.name, 'Renamed');
    const stale = await client.PATCH('/sessionary/v1/sessions/{session_id}', { params, body });
    assert.equal(stale.response.status, 412);
    assert.equal(stale.response.headers.get('content-type'), 'application/problem+json');
    const code: string | undefined = stale.error?.code;
    assert.equal(code, 'precondition_failed');

    const word = `needle-${randomUUID()}`;
    const session_id = sessions.get('messaging')?.id;
    assert.ok(session_id);
    const append = {
        params: { path: { session_id }, header: { 'Idempotency-Key': word } },
        body: { role: 'assistant', text: `A ${word}` },
    };
    const event = await client.POST('/sessionary/v1/sessions/{session_id}/events', append);
    assert.equal(event.data?.messages[0]?.text, `A ${word}`);
    const again = await client.POST('/sessionary/v1/sessions/{session_id}/events', append);
    assert.equal(again.data?.id, event.data?.id);
    const found = await client.GET('/sessionary/v1/search', { params: { query: { q: word } } });
    assert.deepEqual(found.data?.data.map((hit) => hit.session.id), [session_id]);
    const exported = await client.GET('/sessionary/v1/exports', {
        params: { query: { dialect: 'messaging' } },
        parseAs: 'text',
    });
    const lines = String(exported.data).trim().split('\n');
    assert.ok(lines.some((line) => JSON.parse(line).id === session_id));

    const absent = { params: { path: { session_id: `agntix_${'0'.repeat(32)}` } } };
    const missing = await client.GET('/sessionary/v1/sessions/{session_id}', absent);
    assert.equal(missing.error?.code, 'not_found');
    const wrong = await client.GET('/sessionary/v1/sessions', { params: { query: { state: 'asleep' } } });
    assert.equal(wrong.error?.errors?.[0]?.parameter, 'state');
}

for (const dialect of [agnost, agntix, agentKey, messaging, integerId, sessionary]) {
    await dialect();
}
console.log('a session in every dialect and the own API over them, through generated types');
