// What a driver holds with its agent: the conversations that `two_users.py` chose.

export const conversations = JSON.parse(process.env.CONVERSATIONS);
export const modelUrl = process.env.OPENAI_BASE_URL;
export const instructions = 'You are a weather bot. Be brief.';

/** What the agent's tool returns. */
export const degrees = (city) => `7 degrees in ${city}`;
