import type { ComponentChildren } from "preact";
import { Foreign, JsonView, Tag, Time, count } from "./ui/text";

/** Returns an object whose members the console does not know as names and values; those of inner objects beside it. */
export function plain(object: object, outer = ""): [string, ComponentChildren][] {
  return Object.entries(object).flatMap(([name, value]): [string, ComponentChildren][] => {
    const path = outer ? `${outer}, ${words(name)}` : sentence(name);
    const isObject = value !== null && typeof value === "object" && !Array.isArray(value);
    return isObject && Object.keys(value).length > 0 ? plain(value as object, path) : [[path, show(value, path)]];
  });
}

/** A time as the API and the dialects write it. */
const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/;

/** Whether a number is a time in milliseconds since 1970, as some dialects write it: of the years 2001 to 2096. */
const isMoment = (n: number, name: string) => /\b(at|activity)$/i.test(name) && n > 1e12 && n < 4e12;

/** Returns a name in snake case or in camel case as words. */
const words = (name: string) => name.replaceAll("_", " ").replace(/([a-z0-9])([A-Z])/g, "$1 $2").toLowerCase();

function sentence(name: string): string {
  const text = words(name);
  return text.charAt(0).toUpperCase() + text.slice(1);
}

function show(value: unknown, label: string): ComponentChildren {
  if (value === null || value === undefined) return null;
  if (typeof value === "number") return isMoment(value, label) ? <Time at={new Date(value).toISOString()} full /> : count(value);
  if (typeof value === "boolean") return <Tag tone={value ? "good" : undefined}>{value ? "yes" : "no"}</Tag>;
  if (typeof value === "string") return TIME.test(value) ? <Time at={value} full /> : <Foreign>{value}</Foreign>;
  return <JsonView value={value} label={label} />;
}
