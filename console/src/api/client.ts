// The console's only way to the service: fetch with the cookie, problem details as errors.
import type { Problem } from "./types";

export const API = "/sessionary/v1";

export type Query = Record<string, string | number | boolean | string[] | null | undefined>;

export class ApiError extends Error {
  constructor(
    /** 0 if there was no response. */
    readonly status: number,
    readonly problem: Partial<Problem>,
  ) {
    super(problem.detail ?? problem.title ?? `The service responded with status ${status}.`);
  }

  /** Whether the same request may succeed a little later. */
  get isTransient(): boolean {
    return this.status === 0 || this.status === 429 || (this.status >= 502 && this.status <= 504);
  }

  /** Returns what is wrong with a member of the body or a parameter, by its name. */
  of(name: string): string | undefined {
    return this.problem.errors?.find((error) => error.pointer?.split("/")[1] === name || error.parameter === name)?.detail;
  }
}

export interface Options {
  query?: Query;
  body?: unknown;
  ifMatch?: string | null;
  idempotencyKey?: string;
  signal?: AbortSignal;
}

export interface Reply<T> {
  data: T;
  etag: string | null;
}

/** Returns the path with its query; absent, null and empty values are left out. */
export function url(path: string, query: Query = {}): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (Array.isArray(value)) value.forEach((one) => search.append(name, one));
    else if (value !== null && value !== undefined && value !== "") search.set(name, String(value));
  }
  const text = search.toString();
  return API + path + (text && `?${text}`);
}

let onUnauthorized: () => void = () => {};

/** Sets what happens when a credential is no longer valid. */
export function whenUnauthorized(action: () => void): void {
  onUnauthorized = action;
}

export async function send<T>(method: string, path: string, options: Options = {}): Promise<Reply<T>> {
  const headers = new Headers({ accept: "application/json" });
  if (options.body !== undefined) headers.set("content-type", "application/json");
  if (options.ifMatch) headers.set("if-match", options.ifMatch);
  if (options.idempotencyKey) headers.set("idempotency-key", options.idempotencyKey);
  const init: RequestInit = { method, headers, credentials: "same-origin", cache: "no-store" };
  if (options.body !== undefined) init.body = JSON.stringify(options.body);
  if (options.signal) init.signal = options.signal;
  let response: Response;
  let text: string;
  try {
    response = await fetch(url(path, options.query), init);
    text = await response.text();
  } catch (error) {
    if (options.signal?.aborted) throw error;
    throw new ApiError(0, { title: "The service cannot be reached." });
  }
  const body = parse(text);
  if (response.ok) return { data: body as T, etag: response.headers.get("etag") };
  if (response.status === 401 && !path.startsWith("/console/")) onUnauthorized();
  throw new ApiError(response.status, (body ?? {}) as Partial<Problem>);
}

function parse(text: string): unknown {
  try {
    return text === "" ? null : JSON.parse(text);
  } catch {
    return null;
  }
}

export const get = <T>(path: string, query?: Query, signal?: AbortSignal) =>
  send<T>("GET", path, { ...(query && { query }), ...(signal && { signal }) });
export const post = <T>(path: string, body?: unknown, options: Options = {}) =>
  send<T>("POST", path, { ...options, ...(body !== undefined && { body }) });
export const patch = <T>(path: string, body: unknown, ifMatch?: string | null) =>
  send<T>("PATCH", path, { body, ...(ifMatch && { ifMatch }) });
export const put = <T>(path: string, body: unknown, ifMatch?: string | null) =>
  send<T>("PUT", path, { body, ...(ifMatch && { ifMatch }) });
export const del = (path: string, ifMatch?: string | null) =>
  send<null>("DELETE", path, ifMatch ? { ifMatch } : {});

/** Returns a key for one submission, so that sending it twice creates one object. */
export function idempotencyKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Returns an id as one segment of a path. */
export const segment = (id: string | number) => encodeURIComponent(id);
