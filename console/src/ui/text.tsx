// Text: times, ids, foreign text, JSON.
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import type { WireState } from "../api/schema";
import type { Dialect } from "../api/words";
import { notify } from "../state";

const clock = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });
const dayAndClock = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });
const whole = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
const date = new Intl.DateTimeFormat(undefined, { dateStyle: "medium" });
const numbers = new Intl.NumberFormat();

export const count = (n: number) => numbers.format(n);

/** A time in the reader's zone, shorter the nearer it is, with the exact time in UTC as its title. */
export function Time({ at, full }: { at: string | null | undefined; full?: boolean }) {
  if (!at) return <span class="quiet">–</span>;
  const time = new Date(at);
  if (Number.isNaN(time.getTime())) return <span>{at}</span>;
  const now = new Date();
  let text: string;
  if (full) text = whole.format(time);
  else if (time.toDateString() === now.toDateString()) text = clock.format(time);
  else if (Math.abs(now.getTime() - time.getTime()) < 300 * 86_400_000) text = dayAndClock.format(time);
  else text = date.format(time);
  return (
    <time dateTime={at} title={`${time.toISOString().replace("T", " ").replace("Z", "")} UTC`}>
      {text}
    </time>
  );
}

/** Text that people or agents wrote: always a text node, in its own direction, never wider than its box. */
export function Foreign({ children, lines }: { children: string | null | undefined; lines?: boolean }) {
  return (
    <bdi class={lines ? "foreign lines" : "foreign"} dir="auto">
      {children}
    </bdi>
  );
}

export function Code({ children }: { children: ComponentChildren }) {
  return (
    <code class="id" dir="ltr">
      {children}
    </code>
  );
}

export function CopyButton({ text, label }: { text: string; label: string }) {
  const [copied, setCopied] = useState(false);
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
      setCopied(true);
      setTimeout(() => setCopied(false), 2_000);
    } catch {
      notify("The browser did not allow copying. Select the text instead.", true);
    }
  };
  return (
    <button type="button" class="small ghost" onClick={copy} aria-label={label}>
      <span aria-live="polite">{copied ? "Copied" : "Copy"}</span>
    </button>
  );
}

/** A line to copy, such as a command or a secret. */
export function CopyLine({ text, label }: { text: string; label: string }) {
  return (
    <div class="copy-line">
      <pre tabIndex={0} role="region" aria-label={label} dir="ltr">
        {text}
      </pre>
      <CopyButton text={text} label={`Copy: ${label}`} />
    </div>
  );
}

/** JSON, indented; long values scroll inside. */
export function JsonView({ value, label }: { value: unknown; label: string }) {
  return (
    <pre class="json" tabIndex={0} role="region" aria-label={label} dir="ltr">
      {JSON.stringify(value, null, 2)}
    </pre>
  );
}

export const DIALECT_NAMES: Record<Dialect, string> = {
  agnost: "Agnost",
  agntix: "Agntix",
  agent_key: "Agent key",
  messaging: "Messaging",
  integer_id: "Integer id",
};

/** Returns how people call a dialect; a newer service may have others. */
export const dialectName = (dialect: string) => (DIALECT_NAMES as Record<string, string>)[dialect] ?? dialect;

export function DialectTag({ dialect }: { dialect: string }) {
  return <span class={`tag dialect ${dialect}`}>{dialectName(dialect)}</span>;
}

export function StateTag({ state }: { state: WireState }) {
  const label = { open: "Open", expired: "Expired", ended: "Ended" }[state] ?? state;
  return <span class={`tag state ${state}`}>{label}</span>;
}

export function Tag({ children, tone }: { children: ComponentChildren; tone?: "good" | "warn" | "bad" | undefined }) {
  return <span class={`tag ${tone ?? ""}`}>{children}</span>;
}
