// Receives what the service delivers, and checks every signature as the vendor tells its receivers to.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import http from "node:http";

const { BASE_URL, API_KEY, ORG_ID, SERVICE_PROGRAM, SERVICE_DATA_DIR, SVIX } = process.env;
const { default: svix } = await import(SVIX);
const { Webhook, WebhookVerificationError } = svix;
const agentId = "a1b2c3d4-e5f6-7890-abcd-ef1234567890";

async function call(method, path, body) {
  const headers = { "x-api-key": API_KEY, "Content-Type": "application/json" };
  const response = await fetch(`${BASE_URL}${path}`, { method, headers, body: body && JSON.stringify(body) });
  assert.ok(response.ok, `${method} ${path}: ${response.status}`);
  return response.json();
}

function command(...args) {
  const env = { ...process.env, SESSIONARY_DATA_DIR: SERVICE_DATA_DIR };
  delete env.DATABASE_URL;
  return JSON.parse(execFileSync(SERVICE_PROGRAM, ["webhook", ...args, "--json"], { env }));
}

const deadline = setTimeout(() => {
  console.error("no delivery came in time");
  process.exit(1);
}, 60_000);

// Refuses the first delivery, so that one comes again.
const received = [];
let heard = () => {};
const receiver = http.createServer(async (request, response) => {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  received.push({ headers: request.headers, payload: Buffer.concat(chunks).toString("utf8") });
  response.writeHead(received.length === 1 ? 503 : 204).end();
  heard();
});
await new Promise((listening) => receiver.listen(0, "127.0.0.1", listening));
const until = async (count) => {
  while (received.length < count) await new Promise((more) => (heard = more));
};

const url = `http://127.0.0.1:${receiver.address().port}/webhooks/agntix`;
const endpoint = command("create", "--org", ORG_ID, "--url", url);
const webhook = new Webhook(endpoint.secret);

const metadata = { userId: "usr_123", name: "Grüße 👋" };
const session = await call("POST", "/v1/chat/chat/sessions", { agentId, metadata });
await until(2);
await call("PATCH", `/v1/chat/chat/sessions/${session.id}/close`);
await until(3);

const [refused, created, ended] = received.map(({ headers, payload }) => webhook.verify(payload, headers));
assert.deepEqual(created, refused);
assert.equal(received[0].headers["svix-id"], received[1].headers["svix-id"]);
assert.notEqual(received[1].headers["svix-id"], received[2].headers["svix-id"]);
assert.equal(created.eventType, "session.created");
assert.equal(created.id, session.id);
assert.equal(created.state, "OPEN");
assert.equal(created.agentId, agentId);
assert.deepEqual(created.metadata, metadata);
assert.equal(ended.eventType, "session.ended");
assert.equal(ended.id, session.id);
assert.equal(ended.state, "CLOSED");
assert.ok(Date.parse(ended.endedAt) >= Date.parse(ended.createdAt));

// What was tampered with does not hold.
const { headers, payload } = received[2];
assert.throws(() => webhook.verify(payload.replace("CLOSED", "OPEN"), headers), WebhookVerificationError);
assert.throws(() => webhook.verify(payload, { ...headers, "svix-id": "msg_other" }), WebhookVerificationError);

assert.deepEqual(command("delete", endpoint.webhook_id), { webhook_id: endpoint.webhook_id, deleted: true });
clearTimeout(deadline);
receiver.close();
console.log("svix: both events verified");
process.exit(0);
