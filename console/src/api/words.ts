// The words of the API that the console shows by name. The schema has them as texts, because the service may have more.
import type { Event, Session } from "./schema";

export const DIALECTS = ["agnost", "agntix", "agent_key", "messaging", "integer_id"] as const;
export type Dialect = (typeof DIALECTS)[number];

export const SCOPES = [
  "capture",
  "sessions:read",
  "sessions:write",
  "events:read",
  "events:write",
  "agents:read",
  "agents:write",
  "data:erase",
  "audit:read",
  "export",
  "manage",
] as const;
export type Scope = (typeof SCOPES)[number];

export const WEBHOOK_EVENTS = ["session.created", "session.ended", "session.expired", "message.created"] as const;

/** What an event of the organization's stream contains, which the document describes in words. */
export interface LiveChange {
  /** `null` for a caller without the scope `sessions:read`. */
  session: Session | null;
  event: Event | null;
}
