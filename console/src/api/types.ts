// The objects of /sessionary/v1, as the console reads them.

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

export type Json = null | boolean | number | string | Json[] | { [member: string]: Json };
export type JsonObject = { [member: string]: Json };

export interface Page<T> {
  data: T[];
  next_cursor: string | null;
}

export interface Problem {
  type: string;
  title: string;
  status: number;
  detail?: string;
  code: string;
  request_id?: string;
  errors?: { pointer?: string; parameter?: string; detail: string }[];
}

export interface Me {
  organization: { id: string; external_id: string | null; name: string };
  credential: { kind: "api_key" | "token" | "console"; id: string | null; expires_at: string | null };
  scopes: string[];
  is_operator: boolean;
}

export type SessionState = "open" | "expired" | "ended";

export interface Session {
  id: string;
  dialect: Dialect;
  vendor_id: string;
  vendor_path: string | null;
  agent_id: string | null;
  user_id: string | null;
  kind: string | null;
  name: string | null;
  description: string | null;
  state: SessionState;
  enabled: boolean;
  metadata: JsonObject | null;
  created_at: string;
  updated_at: string;
  expires_at: string | null;
  ended_at: string | null;
  last_event_number?: number;
  dialect_data?: Json;
}

export type Role = "user" | "assistant" | "system" | "tool";

export interface Message {
  role: Role;
  text: string | null;
  tool: { name: string | null; input: Json; output: Json } | null;
}

export interface SessionEvent {
  id: string;
  number: number;
  parent_id: string | null;
  vendor_id: string | null;
  kind: string;
  author_id: string | null;
  content: string | null;
  payload: JsonObject;
  hidden: boolean;
  created_at: string;
  messages: Message[];
}

export interface LiveChange {
  /** `null` for a caller without the scope `sessions:read`. */
  session: Session | null;
  event: SessionEvent | null;
}

export interface SearchHit {
  session: Session;
  event_number: number | null;
  snippet: string;
}

export interface User {
  id: string;
  first_seen_at: string;
  last_seen_at: string;
  sessions: number;
}

export interface Responder {
  kind: "none" | "echo" | "openai" | "webhook";
  /** Whether it is the organization's, because the agent has none of its own. */
  is_default?: boolean;
  base_url?: string;
  model?: string;
  system_prompt?: string;
  context_tokens?: number;
  url?: string;
  /** Whether the deployment has a key or a signing secret for it. */
  has_secret?: boolean;
}

export interface Agent {
  id: string;
  number: number;
  key: string;
  name: string;
  description: string | null;
  responder: Responder | null;
  enabled: boolean;
  created_at: string;
  updated_at: string;
}

export interface Key {
  id: string;
  name: string;
  hint: string | null;
  prefix: string;
  scopes: string[];
  created_at: string;
  expires_at: string | null;
  revoked_at: string | null;
  last_used_at: string | null;
  state: "active" | "expiring" | "expired" | "revoked";
  warnings: string[];
  allowed_addresses: string[];
  /** In the responses that create and rotate only. */
  key?: string;
}

export interface Webhook {
  id: string;
  url: string;
  events: string[];
  enabled: boolean;
  /** `gone`: the endpoint responded with 410. `disabled`: on request. */
  disabled_reason: string | null;
  disabled_at?: string | null;
  paused_until?: string | null;
  previous_secret_until?: string | null;
  created_at: string;
  /** In the responses that create and rotate only. */
  secret?: string;
}

export interface Delivery {
  id: string;
  webhook_id: string;
  event_type: string;
  session_id?: string | null;
  state: string;
  attempts: number;
  last_status: number | null;
  last_error?: string | null;
  queued_at: string;
  next_attempt_at: string | null;
  delivered_at: string | null;
}

export interface Erasure {
  id: string;
  subject: string;
  dialect?: Dialect | null;
  state: "running" | "settling" | "done";
  requested_at: string;
  finished_at: string | null;
  deleted: { [table: string]: number };
  /** In the response that begins the erasure only. */
  proof?: string;
}

export interface UsageRow {
  day?: string;
  agent_id?: string | null;
  key_id?: string | null;
  dialect?: Dialect;
  sessions: number;
  events: number;
  requests: number;
  errors?: number;
}

export interface Retention {
  rules: { dialect: Dialect; days: number }[];
  legal_hold: boolean;
  held_since?: string | null;
}

export interface Settings {
  name: string;
  default_responder?: Responder | null;
}

export interface AuditEntry {
  number: number;
  at: string;
  action: string;
  actor: JsonObject;
  address: string | null;
  request_id: string | null;
  object: Json;
  before: Json;
  after: Json;
  hash: string;
}

export interface Verification {
  entries: number;
  is_complete: boolean;
  faults: { kind: string; first: number; last: number }[];
  head: { number: number; hash: string } | null;
  next_cursor: string | null;
}

export interface Organization {
  id: string;
  external_id: string | null;
  name: string;
  disabled_at: string | null;
  created_at: string;
}

export interface Version {
  version: string;
  api: string;
}
