// The dashboard as a script reads it: one call, and a wait until what was sent has come.

const { BASE_URL, API_KEY } = process.env;

export const fail = (why) => {
  console.error(why);
  process.exit(1);
};

/** The answer as JSON; null for 404. */
export async function dashboard(route, body) {
  const answer = await fetch(`${BASE_URL}/dashboard/api/${route}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-api-key': API_KEY },
    body: JSON.stringify(body),
  });
  if (answer.status === 404) return null;
  if (!answer.ok) fail(`${route} answered ${answer.status}: ${await answer.text()}`);
  return answer.json();
}

/** What `find` finds, once `good` says it is all there; fails if that never happens. */
export async function eventually(what, find, good) {
  const deadline = Date.now() + 20_000;
  for (;;) {
    const found = await find();
    if (good(found)) return found;
    if (Date.now() > deadline) fail(`${what}: ${JSON.stringify(found)}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/** The conversation, once it has as many messages as that. */
export const conversation = (session_id, messages) =>
  eventually(
    `${session_id} never had ${messages} messages`,
    () => dashboard('conversation-messages', { conversation_id: session_id }),
    (found) => found?.messages.length === messages,
  );

export function same(what, found, expected) {
  const [a, b] = [JSON.stringify(found), JSON.stringify(expected)];
  if (a !== b) fail(`${what} reads as ${a} instead of ${b}`);
}
