// Usage over days.
import type { UsageRow } from "./api/types";

const DAY_MS = 86_400_000;

/** Returns the day, in UTC, that many days ago. */
export const daysBack = (days: number) => new Date(Date.now() - days * DAY_MS).toISOString().slice(0, 10);

/** Returns a row for each of the last days, the oldest first; days without usage are zero. */
export function perDay(rows: UsageRow[], days: number): (UsageRow & { day: string })[] {
  const byDay = new Map(rows.map((row) => [row.day, row]));
  return Array.from({ length: days }, (_, index) => {
    const day = daysBack(days - 1 - index);
    return { sessions: 0, events: 0, requests: 0, ...byDay.get(day), day };
  });
}

export const sum = (rows: UsageRow[], member: "sessions" | "events" | "requests" | "errors") =>
  rows.reduce((total, row) => total + (row[member] ?? 0), 0);
