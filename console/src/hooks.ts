// Loading from the API: one object, or a list by cursors.
import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { ApiError, get, type PathOf, type ReplyOf, type RequestOf, type Rest } from "./api/client";

const RETRY_MS = 2_000;
/** A filtered page may be short; so many are read before the reader is asked to go on. */
const MAX_PAGES_AT_ONCE = 4;
const PAGE = 25;

function asError(error: unknown): ApiError {
  return error instanceof ApiError ? error : new ApiError(0, { title: String(error) });
}

/** Sets the title of the document, and with it the name of the page that screen readers speak. */
export function useTitle(title: string): void {
  useEffect(() => {
    document.title = `${title} · Sessionary`;
  }, [title]);
}

/** Repeats a load that failed because the service was away, until it succeeds. */
function useRetry(error: ApiError | null, load: () => void): void {
  useEffect(() => {
    if (!error?.isTransient) return;
    const timer = setTimeout(load, RETRY_MS);
    return () => clearTimeout(timer);
  }, [error, load]);
}

export interface Resource<T> {
  data: T | null;
  etag: string | null;
  error: ApiError | null;
  reload: () => void;
  set: (data: T, etag: string | null) => void;
}

type Get = PathOf<"get">;

/** Loads one object; `null` loads nothing. */
export function useResource<P extends Get>(path: P | null, ...rest: Rest<RequestOf<"get", P>>): Resource<ReplyOf<"get", P>> {
  type T = ReplyOf<"get", P>;
  const request = rest[0] as RequestOf<"get", P> | undefined;
  const key = JSON.stringify([path, request]);
  const [state, setState] = useState<{ key: string; data: T | null; etag: string | null; error: ApiError | null }>({
    key,
    data: null,
    etag: null,
    error: null,
  });
  const [round, setRound] = useState(0);
  const reload = useCallback(() => setRound((n) => n + 1), []);
  useEffect(() => {
    if (path === null) return;
    const abort = new AbortController();
    read(path, { ...request, signal: abort.signal } as RequestOf<"get", P>).then(
      (reply) => setState({ key, data: reply.data, etag: reply.etag, error: null }),
      (error) => {
        if (abort.signal.aborted) return;
        const known = asError(error);
        // What was loaded before stays in view, unless it no longer exists.
        setState((old) => ({ key, data: old.key === key && known.status !== 404 ? old.data : null, etag: old.etag, error: known }));
      },
    );
    return () => abort.abort();
  }, [key, round]);
  const set = useCallback((data: T, etag: string | null) => setState({ key, data, etag, error: null }), [key]);
  const current = state.key === key ? state : { data: null, etag: null, error: null };
  useRetry(current.error, reload);
  return { data: current.data, etag: current.etag, error: current.error, reload, set };
}

/** Reads a path whose parameters were checked when the request was made. */
const read = get as <P extends Get>(path: P, request: RequestOf<"get", P>) => ReturnType<typeof get<P>>;

/** A path of a list. */
type ListPath = { [P in Get]: ReplyOf<"get", P> extends { data: unknown[]; next_cursor?: string | null } ? P : never }[Get];
export type RowOf<P extends ListPath> = ReplyOf<"get", P> extends { data: (infer T)[] } ? T : never;

export interface Pages<T> {
  /** `null` until the first page has arrived. */
  rows: T[] | null;
  error: ApiError | null;
  loading: boolean;
  /** Whether the list goes on. */
  more: boolean;
  loadMore: () => void;
  reload: () => void;
  update: (change: (rows: T[]) => T[]) => void;
}

interface PagesState<T> {
  key: string;
  rows: T[] | null;
  next: string | null;
  loading: boolean;
  error: ApiError | null;
}

/** Loads a list page by page; `null` loads nothing. */
export function usePages<P extends ListPath>(path: P | null, ...rest: Rest<RequestOf<"get", P>>): Pages<RowOf<P>> {
  type T = RowOf<P>;
  const request = rest[0] as RequestOf<"get", P> | undefined;
  const key = JSON.stringify([path, request]);
  const empty: PagesState<T> = { key, rows: null, next: null, loading: path !== null, error: null };
  const [state, setState] = useState<PagesState<T>>(empty);
  const running = useRef<AbortController | null>(null);

  const load = useCallback(
    async (before: T[] | null, cursor: string | null) => {
      if (path === null) return;
      running.current?.abort();
      const abort = new AbortController();
      running.current = abort;
      setState((old) => ({ ...(old.key === key ? old : empty), loading: true, error: null }));
      const rows = before ? [...before] : [];
      const limit = (request?.query as { limit?: number } | undefined)?.limit ?? PAGE;
      let next = cursor;
      try {
        for (let pages = 0; pages < MAX_PAGES_AT_ONCE; pages++) {
          const query = { ...request?.query, limit, cursor: next };
          const reply = await read(path, { ...request, query, signal: abort.signal } as unknown as RequestOf<"get", P>);
          const page = reply.data as { data: T[]; next_cursor?: string | null };
          rows.push(...page.data);
          next = page.next_cursor ?? null;
          if (next === null || rows.length - (before?.length ?? 0) >= limit / 2) break;
        }
        setState({ key, rows, next, loading: false, error: null });
      } catch (error) {
        if (abort.signal.aborted) return;
        setState((old) => ({ ...old, loading: false, error: asError(error) }));
      }
    },
    [key],
  );

  useEffect(() => {
    void load(null, null);
    return () => running.current?.abort();
  }, [load]);

  const current = state.key === key ? state : empty;
  const loadMore = useCallback(() => void load(current.rows, current.next), [load, current.rows, current.next]);
  const reload = useCallback(() => void load(null, null), [load]);
  const update = useCallback(
    (change: (rows: T[]) => T[]) => setState((old) => (old.rows ? { ...old, rows: change(old.rows) } : old)),
    [],
  );
  useRetry(current.error, current.rows ? loadMore : reload);
  return {
    rows: current.rows,
    error: current.error,
    loading: current.loading,
    more: current.next !== null,
    loadMore,
    reload,
    update,
  };
}
