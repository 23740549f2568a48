// Turns, ids of the caller's own, and a burst of 200 conversations at once, as the vendor's npm client sends them.

import { randomUUID } from 'node:crypto';
import * as agnost from 'agnostai';
import { conversation, dashboard, eventually, same } from './dashboard.mjs';

const { BASE_URL, ORG_ID } = process.env;
const run = randomUUID().slice(0, 8);
agnost.init(ORG_ID, { endpoint: BASE_URL });
agnost.identify('ann', { plan: 'pro', seats: 3, trial: false, tags: ['a'] });

const said = 'Where is "my" order?\nIt was due — 今日.';
const plain = `conv_${run}`;
const turn = agnost.begin({
  userId: 'ann',
  agentName: 'support',
  input: said,
  conversationId: plain,
  interactionId: 'req-1',
  properties: { model: 'm-1', cached: true, headers: { authorization: 'Bearer sekrit' } },
});
turn.end('On its way. 🚚', true, 120);
agnost.begin({ userId: 'ann', agentName: 'support', input: 'And now?', conversationId: plain }).end('it broke', false);
await agnost.flush();

const found = await conversation(plain, 2);
same('the user', found.user_id, 'ann');
const first = found.messages.find((message) => message.event_id === 'req-1');
const second = found.messages.find((message) => message.event_id !== 'req-1');
same('what was said', [first.input, first.output, first.latency], [said, 'On its way. 🚚', 120]);
same('what failed', [second.input, second.output, second.success], ['And now?', 'it broke', false]);
same('the properties', [first.metadata.model, first.metadata.cached], ['m-1', 'true']);
if (JSON.stringify(found).includes('sekrit')) throw new Error('a credential was kept');
const user = await eventually(
  'the user data never came',
  () => dashboard('conversation-messages', { conversation_id: plain }),
  (found) => found.implied === false,
);
same('what is known of the user', user.user_data?.user_id, 'ann');

for (let number = 0; number < 200; number++) {
  agnost
    .begin({
      userId: `user-${number}`,
      agentName: 'burst',
      input: `question ${number}`,
      conversationId: `burst_${run}_${number}`,
    })
    .end(`answer ${number}`);
}
await agnost.shutdown();
for (let number = 0; number < 200; number++) {
  const [turn] = (await conversation(`burst_${run}_${number}`, 1)).messages;
  same('a turn of the burst', [turn.input, turn.output], [`question ${number}`, `answer ${number}`]);
  const filled = await eventually(
    `burst_${run}_${number} was never filled in`,
    () => dashboard('conversation-messages', { conversation_id: `burst_${run}_${number}` }),
    (found) => found.implied === false,
  );
  same('its user', filled.user_id, `user-${number}`);
}
console.log('agnostai 0.1.2 (npm): 202 turns arrived once and read as they were said');
