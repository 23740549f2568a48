// The quickstart's steps in Node. `readStream` splits each network chunk at line breaks and buffers nothing, as the
// vendor's own sample does: a frame or a character that is cut in two would break it.
import assert from "node:assert/strict";

const { BASE_URL, API_KEY } = process.env;
const headers = { "Content-Type": "application/json" };

async function call(method, path, body, key = API_KEY) {
  const response = await fetch(`${BASE_URL}${path}`, {
    method,
    headers: { ...headers, "x-api-key": key },
    body: body && JSON.stringify(body),
  });
  if (!response.ok) {
    const failed = await response.json().catch(() => ({}));
    throw new Error(`${response.status} ${failed.error?.code} ${failed.error?.message} ${failed.error?.requestId}`);
  }
  return response;
}

async function* readStream(response) {
  const reader = response.body.getReader();
  const decoder = new TextDecoder();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    for (const line of decoder.decode(value).split("\n")) {
      if (!line.startsWith("data: ")) continue;
      const data = line.slice("data: ".length);
      if (data === "[DONE]") return;
      yield JSON.parse(data);
    }
  }
}

const models = await (await call("GET", "/v1/chat/models")).json();
assert.ok(Array.isArray(models.data), "models are listed");

const agent = await (
  await call("POST", "/v1/chat/agents", {
    name: "Support Agent",
    modelId: "gpt-4o-mini",
    systemPrompt: "You are a helpful support agent.",
  })
).json();
assert.match(agent.id, /^[0-9a-f-]{36}$/);

const session = await (await call("POST", "/v1/chat/chat/sessions", { agentId: agent.id })).json();
assert.equal(session.state, "OPEN");
assert.equal(session.platform, "SDK");

const asked = "Grüß dich, 世界! 👩‍👩‍👧 ".repeat(500);
const streamed = await call("POST", `/v1/chat/chat/sessions/${session.id}/messages`, { content: asked });
assert.equal(streamed.headers.get("content-type"), "text/event-stream; charset=utf-8");
let text = "";
const ids = new Set();
for await (const event of readStream(streamed)) {
  text += event.delta ?? "";
  ids.add(event.id);
}
assert.equal(text, `You said: ${asked}`);
assert.equal(ids.size, 1);

const message = await (
  await call("POST", `/v1/chat/chat/sessions/${session.id}/messages`, { content: "And my plan?", stream: false })
).json();
assert.equal(message.content, "You said: And my plan?");
assert.equal(message.role, "ASSISTANT");

const history = await (await call("GET", `/v1/chat/chat/sessions/${session.id}/messages`)).json();
assert.deepEqual(history.data.map((said) => said.role), ["USER", "ASSISTANT", "USER", "ASSISTANT"]);
assert.equal(history.pagination.total, 4);
assert.equal(history.data[1].id, [...ids][0]);

const closed = await (await call("PATCH", `/v1/chat/chat/sessions/${session.id}/close`, { reason: "RESOLVED" })).json();
assert.equal(closed.state, "CLOSED");
const late = await call("POST", `/v1/chat/chat/sessions/${session.id}/messages`, { content: "late" }).catch((e) => e);
assert.match(late.message, /^400 INVALID_SESSION .+ req_/);

// A key of its own for who only reads, until it is taken back.
const made = await (
  await call("POST", "/v1/chat/api-keys", { name: "Reporting", scopes: ["chat:read"], prefixType: "DEVELOPMENT" })
).json();
assert.ok(made.key.startsWith(made.prefix) && made.key.startsWith("pk_dev_"));
const read = await (await call("GET", `/v1/chat/chat/sessions/${session.id}`, undefined, made.key)).json();
assert.equal(read.id, session.id);
const more = await call("POST", "/v1/chat/chat/sessions", { agentId: agent.id }, made.key).catch((e) => e);
assert.match(more.message, /^403 FORBIDDEN .+sessions:write/);
const keys = await (await call("GET", "/v1/chat/api-keys")).json();
assert.equal(keys.data[0].id, made.id);
assert.equal(keys.data[0].isActive, true);
assert.ok(!JSON.stringify(keys).includes(made.key), "no list shows a key");
const revoked = await (await call("POST", `/v1/chat/api-keys/${made.id}/revoke`)).json();
assert.ok(revoked.revokedAt);
const after = await call("GET", "/v1/chat/models", undefined, made.key).catch((e) => e);
assert.match(after.message, /^401 UNAUTHORIZED /);
console.log("quickstart in Node: as published");
