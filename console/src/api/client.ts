// The console's only way to the service: fetch with the cookie, problem details as errors. What a request has and what
// it returns is in schema.ts, which is generated from openapi/sessionary.json.
import type { paths, Problem } from "./schema";

export const API = "/sessionary/v1";

type Method = "get" | "post" | "put" | "patch" | "delete";

/** A path of the API without its prefix. */
type AnyPath = { [P in keyof paths]: P extends `${typeof API}${infer Rest}` ? Rest : never }[keyof paths];
type OperationOf<M extends Method, P extends AnyPath> = paths[`${typeof API}${P}`][M];
/** A path with such an operation. */
export type PathOf<M extends Method> = { [P in AnyPath]: [OperationOf<M, P>] extends [undefined] ? never : P }[AnyPath];

type ContentOf<R> = R extends { content: { "application/json": infer Body } } ? Body : null;
type Success = 200 | 201 | 202 | 204;

/** What a successful response contains; `null` if it has no body. */
export type ReplyOf<M extends Method, P extends PathOf<M>> =
  OperationOf<M, P> extends { responses: infer R } ? { [S in keyof R & Success]: ContentOf<R[S]> }[keyof R & Success] : never;
type BodyOf<M extends Method, P extends PathOf<M>> =
  OperationOf<M, P> extends { requestBody?: { content: { "application/json": infer Body } } } ? Body : never;
type ParametersOf<M extends Method, P extends PathOf<M>, In extends "path" | "query"> =
  OperationOf<M, P> extends { parameters: { [K in In]?: infer Names } } ? Names : never;

/** The parameters in a path's braces, as its operation names them. */
type Segments<M extends Method, P extends PathOf<M>> = {
  [Name in keyof NonNullable<ParametersOf<M, P, "path">>]: string | number;
};
/** The parameters of a query; absent, null and empty ones are not sent. */
export type QueryOf<M extends Method, P extends PathOf<M>> = {
  [Name in keyof NonNullable<ParametersOf<M, P, "query">>]?: Sent<NonNullable<ParametersOf<M, P, "query">>[Name]>;
};
type Sent<T> = T extends readonly (infer One)[] ? One | readonly One[] | null | undefined : T | null | undefined;

/** What a request has beside its method and path. */
export type RequestOf<M extends Method, P extends PathOf<M>> = {
  query?: QueryOf<M, P>;
  ifMatch?: string | null;
  idempotencyKey?: string;
  signal?: AbortSignal;
} & (P extends `${string}{${string}` ? { path: Segments<M, P> } : { path?: never }) &
  ([BodyOf<M, P>] extends [never] ? { body?: never } : { body?: BodyOf<M, P> });

/** The last arguments of a call: what the request has may be left out if it need not have anything. */
export type Rest<T> = Record<string, never> extends T ? [request?: T] : [request: T];

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

export interface Reply<T> {
  data: T;
  etag: string | null;
}

interface AnyRequest {
  path?: Record<string, string | number>;
  query?: object;
  body?: unknown;
  ifMatch?: string | null;
  idempotencyKey?: string;
  signal?: AbortSignal;
}

/** Returns the address of a path and a query. */
function address(path: string, { path: segments, query = {} }: AnyRequest): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (Array.isArray(value)) value.forEach((one) => search.append(name, String(one)));
    else if (value !== null && value !== undefined && value !== "") search.set(name, String(value));
  }
  const filled = path.replace(/\{(\w+)\}/g, (_, name: string) => segment(segments?.[name] ?? ""));
  const text = search.toString();
  return API + filled + (text && `?${text}`);
}

/** Returns the address of a resource that the browser opens by itself. */
export function url<P extends PathOf<"get">>(path: P, ...[request]: Rest<RequestOf<"get", P>>): string {
  return address(path, (request ?? {}) as AnyRequest);
}

let onUnauthorized: () => void = () => {};

/** Sets what happens when a credential is no longer valid. */
export function whenUnauthorized(action: () => void): void {
  onUnauthorized = action;
}

/** Sends a request with a body that is no JSON, such as a file. */
export async function sendRaw<T>(method: Method, path: string, init: RequestInit): Promise<Reply<T>> {
  let response: Response;
  let text: string;
  try {
    response = await fetch(path, { method: method.toUpperCase(), credentials: "same-origin", cache: "no-store", ...init });
    text = await response.text();
  } catch (error) {
    if (init.signal?.aborted) throw error;
    throw new ApiError(0, { title: "The service cannot be reached." });
  }
  const body = parse(text);
  if (response.ok) return { data: body as T, etag: response.headers.get("etag") };
  if (response.status === 401 && !path.startsWith(`${API}/console/`)) onUnauthorized();
  throw new ApiError(response.status, (body ?? {}) as Partial<Problem>);
}

function parse(text: string): unknown {
  try {
    return text === "" ? null : JSON.parse(text);
  } catch {
    return null;
  }
}

function send<T>(method: Method, path: string, request: AnyRequest = {}): Promise<Reply<T>> {
  const headers = new Headers({ accept: "application/json" });
  if (request.body !== undefined) headers.set("content-type", "application/json");
  if (request.ifMatch) headers.set("if-match", request.ifMatch);
  if (request.idempotencyKey) headers.set("idempotency-key", request.idempotencyKey);
  const init: RequestInit = { headers };
  if (request.body !== undefined) init.body = JSON.stringify(request.body);
  if (request.signal) init.signal = request.signal;
  return sendRaw(method, address(path, request), init);
}

/** Returns a function that sends requests with a method. */
const sender =
  <M extends Method>(method: M) =>
  <P extends PathOf<M>>(path: P, ...[request]: Rest<RequestOf<M, P>>) =>
    send<ReplyOf<M, P>>(method, path, request as AnyRequest | undefined);

export const get = sender("get");
export const post = sender("post");
export const put = sender("put");
export const patch = sender("patch");
export const del = sender("delete");

/** The console's own login, which is not part of the document, because no other program uses it. */
export const postConsole = (path: "/console/login" | "/console/logout", body?: unknown) =>
  send<null>("post", path, body === undefined ? {} : { body });

/** Returns a key for one submission, so that sending it twice creates one object. */
export function idempotencyKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Returns an id as one segment of a path. */
export const segment = (id: string | number) => encodeURIComponent(id);
