// The frame around every page: navigation, search, theme, who is logged in.
import type { ComponentChildren } from "preact";
import { useLocation } from "preact-iso";
import { useEffect, useState } from "preact/hooks";
import type { Scope } from "../api/words";
import { attempt, can, dismiss, isOperator, logout, me, nextTheme, notices, theme } from "../state";
import { Foreign } from "./text";

interface Item {
  href: string;
  text: string;
  icon: string;
  scope?: Scope;
  operator?: boolean;
}

// Icons are strokes in a box of 16 by 16.
const ITEMS: Item[] = [
  { href: "/console", text: "Overview", icon: "M2 9l6-6 6 6M4 8v6h8V8" },
  { href: "/console/sessions", text: "Sessions", icon: "M2 3h12v8H7l-3 3v-3H2z", scope: "sessions:read" },
  { href: "/console/users", text: "Users", icon: "M8 8a3 3 0 100-6 3 3 0 000 6zM2.5 14c.5-3 2.5-4 5.5-4s5 1 5.5 4", scope: "sessions:read" },
  { href: "/console/agents", text: "Agents", icon: "M3 6h10v7H3zM8 6V3M8 3h2M6 9v1.5M10 9v1.5", scope: "agents:read" },
  { href: "/console/import", text: "Import", icon: "M8 2v8M5 7l3 3 3-3M2 10v4h12v-4", scope: "sessions:write" },
  { href: "/console/usage", text: "Usage", icon: "M2 14h12M4 14V9M8 14V3M12 14V6", scope: "manage" },
  { href: "/console/keys", text: "Keys", icon: "M5.5 13a3 3 0 110-6 3 3 0 010 6zM8 8l6-6M11 5l2 2", scope: "manage" },
  { href: "/console/webhooks", text: "Webhooks", icon: "M2 8h7M6 4l4 4-4 4M14 2v12", scope: "manage" },
  { href: "/console/audit", text: "Audit log", icon: "M4 2h8v12H4zM6 5h4M6 8h4M6 11h2", scope: "audit:read" },
  { href: "/console/settings", text: "Settings", icon: "M2 4h6M12 4h2M10 2v4M2 12h2M8 12h6M6 10v4", scope: "manage" },
  { href: "/console/organizations", text: "Organizations", icon: "M2 14V5h5v9M7 14V2h7v12M1 14h14M10 5h1M10 8h1", operator: true },
  { href: "/console/health", text: "Health", icon: "M1 8h3l2-5 4 10 2-5h3", operator: true },
];

const THEME_NAMES = { auto: "automatic", light: "light", dark: "dark" };

function Icon({ path }: { path: string }) {
  return (
    <svg class="icon" viewBox="0 0 16 16" aria-hidden="true">
      <path d={path} />
    </svg>
  );
}

function isCurrent(href: string, path: string): boolean {
  if (href === "/console") return path === href;
  return path === href || path.startsWith(`${href}/`) || path === href.replace(/s$/, "");
}

export function Shell({ children }: { children: ComponentChildren }) {
  const { path, query, route } = useLocation();
  const [open, setOpen] = useState(false);
  useEffect(() => setOpen(false), [path]);
  const items = ITEMS.filter((item) => (item.scope ? can(item.scope) : true) && (item.operator ? isOperator.value : true));
  const search = (event: SubmitEvent) => {
    event.preventDefault();
    const q = String(new FormData(event.currentTarget as HTMLFormElement).get("q") ?? "").trim();
    if (q) route(`/console/search?q=${encodeURIComponent(q)}`);
  };
  return (
    <div class="shell">
      <a class="skip" href="#content">
        Skip to content
      </a>
      <header class="top">
        <button type="button" class="menu ghost" aria-expanded={open} aria-controls="navigation" onClick={() => setOpen(!open)}>
          Menu
        </button>
        <a class="brand" href="/console/">
          Sessionary
        </a>
        {can("sessions:read") && (
          <form class="search" role="search" onSubmit={search}>
            <input
              type="search"
              name="q"
              aria-label="Search all conversations"
              placeholder="Search all conversations"
              defaultValue={path === "/console/search" ? (query["q"] ?? "") : ""}
              dir="auto"
            />
          </form>
        )}
      </header>
      <nav id="navigation" aria-label="Pages" class={open ? "open" : undefined}>
        <p class="organization" title={me.value?.organization.id}>
          <Foreign>{me.value?.organization.name}</Foreign>
        </p>
        <ul>
          {items.map((item) => (
            <li>
              <a href={item.href === "/console" ? "/console/" : item.href} aria-current={isCurrent(item.href, path) ? "page" : undefined}>
                <Icon path={item.icon} />
                {item.text}
              </a>
            </li>
          ))}
        </ul>
        <div class="foot">
          <button type="button" class="ghost" onClick={nextTheme}>
            Theme: {THEME_NAMES[theme.value]}
          </button>
          <button type="button" class="ghost" onClick={() => void attempt(logout, "You have logged out.")}>
            Log out
          </button>
        </div>
      </nav>
      <main id="content" tabIndex={-1}>
        {children}
      </main>
    </div>
  );
}

export function Notices() {
  return (
    <div class="notices" role="status" aria-live="polite">
      {notices.value.map((notice) => (
        <p key={notice.id} class={notice.bad ? "bad" : undefined}>
          <span>{notice.text}</span>
          <button type="button" class="ghost small" aria-label="Dismiss" onClick={() => dismiss(notice.id)}>
            ✕
          </button>
        </p>
      ))}
    </div>
  );
}
