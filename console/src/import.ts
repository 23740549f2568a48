// Sends a file of exported lines, a few MiB of whole lines at a time, so that a file may be as large as one likes.
import { API, ApiError, sendRaw } from "./api/client";
import type { ImportResult, RejectedLine } from "./api/schema";

/** Bytes from which on a piece is sent. */
const PIECE = 4 * 1024 * 1024;
/** Bytes that a piece may have, because a long session's lines stay together, and so does one long line. */
const MAX_PIECE = 64 * 1024 * 1024;
const NEWLINE = 10;
/** A piece that could not be sent is sent again so often; what exists is not stored twice. */
const ATTEMPTS = 10;
const RETRY_MS = 2_000;
/** Rejected lines that are shown. */
const MAX_SHOWN = 500;

/** What an import has done so far. */
export interface Imported {
  created: number;
  existing: number;
  rejected: number;
  lines: RejectedLine[];
  /** How much of the file was sent, from 0 to 1. */
  share: number;
}

const NOTHING: Imported = { created: 0, existing: 0, rejected: 0, lines: [], share: 0 };

/**
 * Imports a file, which may be compressed by gzip, and reports what has been done after each piece. With `dryRun`, nothing
 * is stored. Fails with the error of the API, or when the file cannot be read.
 */
export async function importFile(file: File, dryRun: boolean, report: (done: Imported) => void, signal: AbortSignal): Promise<Imported> {
  let done = NOTHING;
  let read = 0;
  // The file is measured before it is unpacked.
  const measured = file.stream().pipeThrough(
    new TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>>({
      transform(chunk, controller) {
        read += chunk.length;
        controller.enqueue(chunk);
      },
    }),
  );
  const bytes = /\.gz$/i.test(file.name) ? measured.pipeThrough(new DecompressionStream("gzip")) : measured;
  let line = 1;
  for await (const piece of pieces(bytes)) {
    const result = await importPiece(piece, dryRun, signal);
    done = {
      created: done.created + result.created,
      existing: done.existing + result.existing,
      rejected: done.rejected + result.rejected,
      lines: [...done.lines, ...result.lines.map((one) => ({ ...one, line: one.line + line - 1 }))].slice(0, MAX_SHOWN),
      share: file.size === 0 ? 1 : read / file.size,
    };
    line += linesOf(piece);
    report(done);
  }
  return { ...done, share: 1 };
}

/** Imports a piece as a whole, with as many requests as it takes. */
async function importPiece(piece: Uint8Array<ArrayBuffer>, dryRun: boolean, signal: AbortSignal): Promise<ImportResult> {
  const sum: ImportResult = { created: 0, existing: 0, rejected: 0, lines: [], is_complete: true };
  let rest = piece;
  let first = 1;
  for (;;) {
    const result = await sendPiece(rest, dryRun, signal);
    sum.created += result.created;
    sum.existing += result.existing;
    sum.rejected += result.rejected;
    sum.lines.push(...result.lines.map((one) => ({ ...one, line: one.line + first - 1 })));
    if (result.is_complete || !result.next_line) return sum;
    rest = rest.subarray(offsetOf(rest, result.next_line));
    first += result.next_line - 1;
  }
}

async function sendPiece(body: Uint8Array<ArrayBuffer>, dryRun: boolean, signal: AbortSignal): Promise<ImportResult> {
  for (let attempt = 1; ; attempt++) {
    try {
      const headers = { "content-type": "application/x-ndjson", accept: "application/json" };
      const address = `${API}/imports?dry_run=${dryRun}`;
      return (await sendRaw<ImportResult>("post", address, { headers, body, signal })).data;
    } catch (error) {
      if (!(error instanceof ApiError) || !error.isTransient || attempt === ATTEMPTS) throw error;
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
      signal.throwIfAborted();
    }
  }
}

/** Cuts bytes into pieces of whole lines. Lines of one session stay together, as far as they fit. */
export async function* pieces(bytes: ReadableStream<Uint8Array<ArrayBuffer>>): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  const reader = bytes.getReader();
  let chunks: Uint8Array[] = [];
  let size = 0;
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (value) {
        chunks.push(value);
        size += value.length;
      }
      if (!done && size < PIECE) continue;
      const whole = join(chunks, size);
      const end = done ? whole.length : endOf(whole);
      if (end > 0) yield whole.subarray(0, end);
      if (done) return;
      const rest = whole.subarray(end);
      if (rest.length > MAX_PIECE) throw new Error("The file has a line, or a session in one go, of more than 64 MiB. Use `sessionary session import`.");
      chunks = [rest];
      size = rest.length;
    }
  } finally {
    await reader.cancel().catch(() => {});
  }
}

function join(chunks: Uint8Array[], size: number): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(size);
  let at = 0;
  for (const chunk of chunks) {
    whole.set(chunk, at);
    at += chunk.length;
  }
  return whole;
}

/** Returns the end of the last line after which no further events of its session follow; 0 if there is none. */
function endOf(bytes: Uint8Array): number {
  let end = bytes.lastIndexOf(NEWLINE) + 1;
  while (end > 0) {
    const begin = bytes.lastIndexOf(NEWLINE, end - 2) + 1;
    if (!continues(bytes.subarray(begin, end))) return end;
    end = begin;
  }
  return 0;
}

function continues(line: Uint8Array): boolean {
  try {
    return (JSON.parse(new TextDecoder().decode(line)) as { continues?: unknown } | null)?.continues === true;
  } catch {
    return false;
  }
}

function linesOf(bytes: Uint8Array): number {
  let lines = 0;
  for (let at = bytes.indexOf(NEWLINE); at >= 0; at = bytes.indexOf(NEWLINE, at + 1)) lines++;
  return lines;
}

/** Returns where a line begins, counted from 1. */
function offsetOf(bytes: Uint8Array, line: number): number {
  let at = 0;
  for (let before = 1; before < line; before++) at = bytes.indexOf(NEWLINE, at) + 1;
  return at;
}
