// What every page shares: who is logged in, the theme, and notices.
import { computed, effect, signal } from "@preact/signals";
import { ApiError, get, postConsole, whenUnauthorized } from "./api/client";
import type { Me } from "./api/schema";
import type { Scope } from "./api/words";

/** `undefined` until the first response, `null` for a visitor who is not logged in. */
export const me = signal<Me | null | undefined>(undefined);
/** Why the login page is shown, or why the service did not respond. */
export const loginReason = signal<string | null>(null);
export const startError = signal<ApiError | null>(null);

export const can = (scope: Scope) => me.value?.scopes.includes(scope) ?? false;
export const isOperator = computed(() => me.value?.is_operator ?? false);

whenUnauthorized(() => {
  if (me.value) loginReason.value = "Your login has ended, because its credential expired or was revoked. Log in again to continue.";
  me.value = null;
});

export async function loadMe(): Promise<void> {
  startError.value = null;
  try {
    me.value = (await get("/me")).data;
    loginReason.value = null;
  } catch (error) {
    if (error instanceof ApiError && error.status !== 401) startError.value = error;
  }
}

export async function login(body: { key: string } | { token: string } | { once: string }): Promise<void> {
  await postConsole("/console/login", body);
  await loadMe();
}

export async function logout(): Promise<void> {
  try {
    await postConsole("/console/logout");
  } catch (error) {
    // A login that has ended already needs no end.
    if (!(error instanceof ApiError) || error.status !== 401) throw error;
  }
  loginReason.value = "You have logged out.";
  me.value = null;
}

export type Theme = "auto" | "light" | "dark";
const THEMES: readonly Theme[] = ["auto", "light", "dark"];

function stored(): Theme {
  try {
    return THEMES.find((theme) => theme === localStorage.getItem("theme")) ?? "auto";
  } catch {
    return "auto";
  }
}

export const theme = signal<Theme>(stored());

effect(() => {
  document.documentElement.dataset["theme"] = theme.value;
  try {
    localStorage.setItem("theme", theme.value);
  } catch {
    // Without storage the theme lasts as long as the page.
  }
});

export function nextTheme(): void {
  theme.value = THEMES[(THEMES.indexOf(theme.value) + 1) % THEMES.length] ?? "auto";
}

export interface Notice {
  id: number;
  text: string;
  bad: boolean;
}

export const notices = signal<Notice[]>([]);
let lastNotice = 0;

/** Shows a sentence for a while, and has screen readers speak it. */
export function notify(text: string, bad = false): void {
  const id = ++lastNotice;
  notices.value = [...notices.value.slice(-3), { id, text, bad }];
  setTimeout(() => dismiss(id), bad ? 12_000 : 5_000);
}

export function dismiss(id: number): void {
  notices.value = notices.value.filter((notice) => notice.id !== id);
}

/** Runs an action of a button and reports how it went. */
export async function attempt(action: () => Promise<unknown>, done: string): Promise<boolean> {
  try {
    await action();
    notify(done);
    return true;
  } catch (error) {
    notify(describe(error), true);
    return false;
  }
}

export function describe(error: unknown): string {
  if (error instanceof ApiError) {
    if (error.status === 412) return "It was changed by someone else in the meantime. Reload and try again.";
    return error.message;
  }
  return error instanceof Error ? error.message : String(error);
}
