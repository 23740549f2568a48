import type { ComponentChildren } from "preact";
import type { Json, JsonObject } from "./api/types";
import { JsonView, Tag, count } from "./ui/text";

/** Returns an object whose members the console does not know as names and values; those of inner objects beside it. */
export function plain(object: JsonObject, outer = ""): [string, ComponentChildren][] {
  return Object.entries(object).flatMap(([name, value]): [string, ComponentChildren][] => {
    const path = outer ? `${outer}, ${words(name)}` : sentence(name);
    const isObject = value !== null && typeof value === "object" && !Array.isArray(value);
    return isObject && Object.keys(value).length > 0 ? plain(value, path) : [[path, show(value, path)]];
  });
}

const words = (name: string) => name.replaceAll("_", " ");

function sentence(name: string): string {
  const text = words(name);
  return text.charAt(0).toUpperCase() + text.slice(1);
}

function show(value: Json, label: string): ComponentChildren {
  if (value === null) return null;
  if (typeof value === "number") return count(value);
  if (typeof value === "boolean") return <Tag tone={value ? "good" : undefined}>{value ? "yes" : "no"}</Tag>;
  if (typeof value === "string") return value;
  return <JsonView value={value} label={label} />;
}
