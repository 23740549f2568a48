// Usage over days.
import type { UsageRow } from "./api/schema";

const DAY_MS = 86_400_000;

/** Returns the day, in UTC, that many days ago. */
export const daysBack = (days: number) => new Date(Date.now() - days * DAY_MS).toISOString().slice(0, 10);

/** Days of one chart. */
const MAX_DAYS = 400;

/** Returns a row for each day of a period, the oldest first; days without usage are zero. */
export function perDay(rows: UsageRow[], from: string, to: string): (UsageRow & { day: string })[] {
  const byDay = new Map(rows.map((row) => [row.day, row]));
  const [first, last] = [Date.parse(from), Date.parse(to)];
  const days = Math.min(Math.max(Math.round((last - first) / DAY_MS) + 1, 0) || 0, MAX_DAYS);
  return Array.from({ length: days }, (_, index) => {
    const day = new Date(last - (days - 1 - index) * DAY_MS).toISOString().slice(0, 10);
    return { sessions: 0, events: 0, requests: 0, errors: 0, ...byDay.get(day), day };
  });
}

export const sum = (rows: UsageRow[], member: "sessions" | "events" | "requests" | "errors") =>
  rows.reduce((total, row) => total + row[member], 0);
