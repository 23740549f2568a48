// What Node's fetch makes of responses that come before a large body was read, and of packed bodies.

import assert from 'node:assert/strict';
import { deflateSync, gzipSync } from 'node:zlib';

const { BASE_URL, API_KEY } = process.env;
const agentId = '3c90c3cc-0d44-4b50-8888-8dd25736052a';
const MIB = 1024 * 1024;
const ROUTES = [
    '/api/v1/capture-session', '/api/v1/capture-event', '/v1/chat/chat/sessions',
    '/v2/agents/customer_support/sessions', '/api/messaging/sessions', '/api/v1/sessions',
];

function post(path, body, headers = {}) {
    return fetch(BASE_URL + path, { method: 'POST', body, headers: { 'content-type': 'application/json', 'x-api-key': API_KEY, ...headers } });
}

// 20 of 20, one after the other and all at once, and with much more than is read on.
const ten = Buffer.alloc(10 * MIB, 'x');
for (const path of ROUTES) {
    for (let i = 0; i < 20; i++) {
        const response = await post(path, ten);
        assert.equal(response.status, 413, path);
        assert.ok((await response.text()).length > 0);
    }
    const together = await Promise.all(Array.from({ length: 20 }, () => post(path, ten)));
    assert.deepEqual(together.map((response) => response.status), Array(20).fill(413), path);
    await Promise.all(together.map((response) => response.text()));
    const unknown = await post(path, ten, { 'x-api-key': 'pk_live_nobodys' });
    assert.equal(unknown.status, 401, path);
    await unknown.text();
    const typed = await post(path, ten, { 'content-type': 'text/plain' });
    assert.ok([400, 415].includes(typed.status), `${path}: ${typed.status}`);
    await typed.text();
}
const huge = await post(ROUTES[0], Buffer.alloc(200 * MIB, 'x'));
assert.equal(huge.status, 413);
await huge.text();
const nowhere = await post('/v1/nowhere', ten);
assert.equal(nowhere.status, 404);
await nowhere.text();

const plain = JSON.stringify({ agentId, userId: agentId, metadata: { text: 'é'.repeat(1000) } });
for (const [encoding, body] of [['gzip', gzipSync(plain)], ['deflate', deflateSync(plain)], ['identity', plain], ['identity', `\ufeff${plain}`]]) {
    const response = await post('/api/messaging/sessions', body, { 'content-encoding': encoding });
    assert.equal(response.status, 201, encoding);
    assert.equal((await response.json()).metadata.text.length, 1000);
}
const other = await post('/api/messaging/sessions', plain, { 'content-encoding': 'br' });
assert.deepEqual([other.status, other.headers.get('accept-encoding')], [415, 'gzip, deflate']);
await other.text();
console.log('large bodies that are rejected, and packed ones that are taken');
