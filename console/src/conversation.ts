// The events of one session: pages of the past, and a live tail of what is added.
import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { API, ApiError, get, segment, type ReplyOf } from "./api/client";
import { useStream, type Connection } from "./api/stream";
import type { Event as SessionEvent, Session } from "./api/schema";

type EventPage = ReplyOf<"get", "/sessions/{session_id}/events">;

const PAGE = 100;
/** After a long interruption so many pages are read to close the gap; beyond it the list begins anew. */
const MAX_GAP_PAGES = 20;

export interface Conversation {
  /** The oldest first; `null` until the first page has arrived. */
  events: SessionEvent[] | null;
  error: ApiError | null;
  loading: boolean;
  earlier: boolean;
  loadEarlier: () => void;
  reload: () => void;
  live: Connection;
}

interface State {
  events: SessionEvent[] | null;
  cursor: string | null;
  error: ApiError | null;
  loading: boolean;
}

function merge(old: SessionEvent[], added: SessionEvent[]): SessionEvent[] {
  const byNumber = new Map(old.map((event) => [event.number, event]));
  for (const event of added) byNumber.set(event.number, event);
  return [...byNumber.values()].sort((a, b) => a.number - b.number);
}

async function page(id: string, order: "newest" | "oldest", cursor: string | null): Promise<EventPage> {
  const query = { order, limit: PAGE, cursor };
  return (await get("/sessions/{session_id}/events", { path: { session_id: id }, query })).data;
}

export function useConversation(id: string, sessionChanged: (session: Session | null) => void): Conversation {
  const [state, setState] = useState<State>({ events: null, cursor: null, error: null, loading: true });
  const shown = useRef(true);
  const current = useRef(state);
  current.current = state;
  useEffect(() => () => void (shown.current = false), []);

  const fail = (error: unknown) => {
    const known = error instanceof ApiError ? error : new ApiError(0, { title: String(error) });
    if (shown.current) setState((old) => ({ ...old, loading: false, error: known }));
  };

  /** Reads the newest events back to the newest one that is known. */
  const sync = useCallback(async () => {
    try {
      const newest = current.current.events?.at(-1)?.number;
      let found: SessionEvent[] = [];
      let cursor: string | null = null;
      let joined = false;
      for (let pages = 0; pages < MAX_GAP_PAGES && !joined; pages++) {
        const data: EventPage = await page(id, "newest", cursor);
        found = merge(found, data.data);
        cursor = data.next_cursor ?? null;
        joined = newest === undefined || cursor === null || (found[0]?.number ?? 0) <= newest;
      }
      if (!shown.current) return;
      setState((old) => ({
        events: joined && old.events ? merge(old.events, found) : found,
        cursor: joined && old.events && newest !== undefined ? old.cursor : cursor,
        error: null,
        loading: false,
      }));
    } catch (error) {
      fail(error);
    }
  }, [id]);

  const loadEarlier = useCallback(async () => {
    setState((old) => ({ ...old, loading: true, error: null }));
    try {
      const data = await page(id, "newest", current.current.cursor);
      if (!shown.current) return;
      setState((old) => ({ events: merge(old.events ?? [], data.data), cursor: data.next_cursor ?? null, error: null, loading: false }));
    } catch (error) {
      fail(error);
    }
  }, [id]);

  useEffect(() => void sync(), [sync]);

  const live = useStream(
    `${API}/sessions/${segment(id)}/events/stream`,
    ["event", "session"],
    (name, data) => {
      if (name === "session") sessionChanged(data as Session | null);
      else setState((old) => (old.events ? { ...old, events: merge(old.events, [data as SessionEvent]) } : old));
    },
    () => {
      void sync();
      sessionChanged(null);
    },
  );

  return {
    events: state.events,
    error: state.error,
    loading: state.loading,
    earlier: state.cursor !== null,
    loadEarlier: () => void loadEarlier(),
    reload: () => void sync(),
    live: live.value,
  };
}

/** Reads all events of a session, the oldest first. */
export async function allEvents(id: string): Promise<SessionEvent[]> {
  const events: SessionEvent[] = [];
  let cursor: string | null = null;
  do {
    const data: EventPage = await page(id, "oldest", cursor);
    events.push(...data.data);
    cursor = data.next_cursor ?? null;
  } while (cursor !== null);
  return events;
}
