// Follows the events through a proxy that hangs up in their midst: the client comes back with Last-Event-ID, by itself.
import assert from "node:assert/strict";
import http from "node:http";

const { BASE_URL, API_KEY, EVENTSOURCE } = process.env;
const { EventSource } = await import(EVENTSOURCE);
const agentId = "a1b2c3d4-e5f6-7890-abcd-ef1234567890";

async function call(method, path, body) {
  const headers = { "x-api-key": API_KEY, "Content-Type": "application/json" };
  const response = await fetch(`${BASE_URL}${path}`, { method, headers, body: body && JSON.stringify(body) });
  assert.ok(response.ok, `${method} ${path}: ${response.status}`);
  return response.json();
}

// Hands requests on, and notes with which Last-Event-ID the client came.
const cameWith = [];
const open = new Set();
const proxy = http.createServer((request, response) => {
  cameWith.push(request.headers["last-event-id"]);
  const onward = http.request(`${BASE_URL}${request.url}`, { headers: request.headers }, (answer) => {
    response.writeHead(answer.statusCode, answer.headers);
    answer.on("error", () => {});
    answer.pipe(response);
  });
  open.add(() => {
    onward.destroy();
    response.destroy();
  });
  onward.on("error", () => {});
  onward.end();
});
await new Promise((listening) => proxy.listen(0, "127.0.0.1", listening));

const deadline = setTimeout(() => {
  console.error("no event came in time");
  process.exit(1);
}, 60_000);
const events = new EventSource(`http://127.0.0.1:${proxy.address().port}/v1/chat/events/stream`, {
  fetch: (url, init) => fetch(url, { ...init, headers: { ...init.headers, "x-api-key": API_KEY } }),
});
const heard = [];
const waiting = new Set();
const hear = (event) => {
  heard.push({ name: event.type, id: event.lastEventId, data: JSON.parse(event.data) });
  for (const look of waiting) look();
};
for (const name of ["session.started", "session.updated", "session.ended", "message.added", "heartbeat"]) {
  events.addEventListener(name, hear);
}
const until = (fits) =>
  new Promise((found) => {
    const look = () => {
      const event = heard.find(fits);
      if (!event) return;
      waiting.delete(look);
      found(event);
    };
    waiting.add(look);
    look();
  });

const first = await until((event) => event.name === "heartbeat");
assert.ok(first.id, "the first event says where the client stands");
const session = await call("POST", "/v1/chat/chat/sessions", { agentId });
const started = await until((event) => event.name === "session.started" && event.data.id === session.id);
assert.deepEqual(started.data, session);

// While nobody listens, a conversation goes on.
for (const hangUp of open) hangUp();
const reply = await call("POST", `/v1/chat/chat/sessions/${session.id}/messages`, { content: "hello", stream: false });
await call("PATCH", `/v1/chat/chat/sessions/${session.id}/close`);

const ended = await until((event) => event.name === "session.ended" && event.data.id === session.id);
assert.equal(ended.data.state, "CLOSED");
const added = heard.filter((event) => event.name === "message.added" && event.data.sessionId === session.id);
assert.deepEqual(added.map((event) => event.data.message.role), ["USER", "ASSISTANT"]);
assert.equal(added[1].data.message.id, reply.id);
assert.ok(cameWith.length >= 2, "the client came back");
assert.equal(cameWith[0], undefined);
assert.equal(cameWith[1], started.id);

clearTimeout(deadline);
events.close();
for (const hangUp of open) hangUp();
proxy.close();
console.log("eventsource: nothing missed");
process.exit(0);
