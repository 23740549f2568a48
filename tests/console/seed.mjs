// Conversations in every dialect, one of them with hostile texts.
import { randomUUID } from "node:crypto";
import { call, demo } from "./support.mjs";

export const AGENT = "a1b2c3d4-e5f6-7890-abcd-ef1234567890";
const MESSENGER = "3c90c3cc-0d44-4b50-8888-8dd25736052a";
export const USER = "user-anon-002";

export const HOSTILE = [
  "<script>document.title = 'hacked'</script>",
  "<img src=x onerror=\"document.title = 'hacked'\">",
  "\u202Eright to left \u202Cשלום, תודה רבה! (123) مرحبا",
  `long${"o".repeat(2_000)}ng`,
];

/** Stores a captured session with these turns. Returns its vendor's id. */
export async function captured(user, turns) {
  const session = randomUUID();
  await call("POST", "/api/v1/capture-session", { session_id: session, user_data: { user_id: user } }, { "x-org-id": demo.org_id });
  for (const [asked, replied] of turns) await capture(session, asked, replied);
  return session;
}

export async function capture(session, asked, replied, members = {}) {
  const turn = { primitive_name: "chat", args: asked, result: replied, latency: 120 };
  const event = { event_id: randomUUID(), session_id: session, ...turn, ...members };
  await call("POST", "/api/v1/capture-event", event, { "x-org-id": demo.org_id });
}

/** Stores a captured session with the call of a tool. Returns its vendor's id. */
async function withTools() {
  const session = await captured("user-with-tools", []);
  const tool = { primitive_type: "tool", primitive_name: "find_order" };
  await capture(session, '{"order": 4417}', '{"state": "delivered", "carrier": "Post"}', tool);
  await capture(session, "Where is order 4417?", "It was delivered by Post.");
  return session;
}

export async function seed() {
  await captured(USER, [
    ["My order 4417 arrived broken. Can I get a refund?", "I am sorry to hear that. It was delivered on Friday; you get 49.90 € back within three days."],
    ["Thank you. And the voucher?", "The voucher stays valid until the end of the year."],
  ]);
  const hostile = await captured("<b>eve</b>", HOSTILE.map((text) => [text, `You wrote: ${text}`]));
  await call("POST", "/v1/chat/chat/sessions", { agentId: AGENT, platform: "SDK", metadata: { userId: "usr_123" } });
  await call("POST", "/v2/agents/customer_support/sessions", { name: "Refund for order 4417", metadata: { priority: "high" } });
  await call("POST", "/v2/agents/customer_support/sessions", { name: HOSTILE[0], description: HOSTILE[2], metadata: { note: HOSTILE[3].slice(0, 900) } });
  const messaging = (await call("POST", "/api/messaging/sessions", { agentId: MESSENGER, userId: MESSENGER })).sessionId;
  await call("POST", `/api/messaging/sessions/${messaging}/messages`, { content: "Is anyone there?" });
  await call("POST", `/api/messaging/sessions/${messaging}/renew`);
  await call("POST", "/api/v1/sessions", { agent_id: 123, session_type: "agent_voice" });
  await call("POST", "/sessionary/v1/webhooks", { url: "http://127.0.0.1:9/hooks/nothing-listens-here", events: ["session.ended"] });
  return { hostile, messaging, tools: await withTools() };
}
