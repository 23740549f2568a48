import type { ComponentChildren } from "preact";
import type { Json, JsonObject } from "./api/types";
import { JsonView, Tag, count } from "./ui/text";

/** Returns an object whose members the console does not know as names and values. */
export function plain(object: JsonObject): [string, ComponentChildren][] {
  return Object.entries(object).map(([name, value]) => [sentence(name), show(value, name)]);
}

function sentence(name: string): string {
  const words = name.replaceAll("_", " ");
  return words.charAt(0).toUpperCase() + words.slice(1);
}

function show(value: Json, name: string): ComponentChildren {
  if (value === null) return null;
  if (typeof value === "number") return count(value);
  if (typeof value === "boolean") return <Tag tone={value ? "good" : undefined}>{value ? "yes" : "no"}</Tag>;
  if (typeof value === "string") return value;
  return <JsonView value={value} label={sentence(name)} />;
}
