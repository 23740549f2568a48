import { useLocation } from "preact-iso";
import { API } from "../api/client";
import { DIALECTS, type Dialect, type LiveChange } from "../api/words";
import { usePages, useResource } from "../hooks";
import { useStream } from "../api/stream";
import { can, me } from "../state";
import { Chart } from "../ui/chart";
import { Card, Empty, ListOf, PageHead, Show } from "../ui/frame";
import { Live, SessionName } from "../ui/session";
import { Code, DIALECT_NAMES, DialectTag, StateTag, Time, count } from "../ui/text";
import { daysBack, perDay, sum } from "../usage";

const RANGES = [7, 30, 90];
const LATEST = 8;
const COUNTED = 100;

export function Overview() {
  const { query } = useLocation();
  const range = RANGES.find((days) => String(days) === query["days"]) ?? 30;
  return (
    <>
      <PageHead title="Overview">
        <nav aria-label="Period" class="choices">
          {RANGES.map((days) => (
            <a href={`/console/?days=${days}`} aria-current={days === range ? "true" : undefined}>
              {days} days
            </a>
          ))}
        </nav>
      </PageHead>
      {can("manage") && <Attention />}
      {can("manage") && <Rates range={range} />}
      {can("sessions:read") ? (
        <div class="columns">
          <Latest />
          <Active />
        </div>
      ) : (
        <Empty title="This credential may not read sessions.">
          <p>It has the scopes {me.value?.scopes.join(", ") || "of no one"}. Log in with a key that has sessions:read.</p>
        </Empty>
      )}
    </>
  );
}

function Rates({ range }: { range: number }) {
  const usage = useResource("/usage", { query: { by: "day", from: daysBack(range - 1), to: daysBack(0) } });
  return (
    <Show from={usage}>
      {({ data }) => {
        const rows = perDay(data, daysBack(range - 1), daysBack(0));
        const days = rows.map((row) => row.day);
        return (
          <>
            <ul class="tiles">
              <Tile name="Sessions" n={sum(rows, "sessions")} range={range} />
              <Tile name="Events" n={sum(rows, "events")} range={range} />
              <Tile name="Requests" n={sum(rows, "requests")} range={range} />
              <Tile name="Errors" n={sum(rows, "errors")} range={range} of={sum(rows, "requests")} />
            </ul>
            <div class="columns even">
              <Card title="Sessions per day">
                <Chart label="Sessions per day" days={days} series={[{ name: "Sessions", color: "c1", values: rows.map((row) => row.sessions) }]} />
              </Card>
              <Card title="Events, requests and errors per day">
                <Chart
                  label="Events, requests and errors per day"
                  days={days}
                  series={[
                    { name: "Events", color: "c2", values: rows.map((row) => row.events) },
                    { name: "Requests", color: "c3", values: rows.map((row) => row.requests) },
                    { name: "Errors", color: "c4", values: rows.map((row) => row.errors) },
                  ]}
                />
              </Card>
            </div>
          </>
        );
      }}
    </Show>
  );
}

function Tile({ name, n, range, of }: { name: string; n: number; range: number; of?: number }) {
  const rate = of === undefined ? n / range : (100 * n) / Math.max(of, 1);
  const shown = rate >= 10 ? Math.round(rate) : Math.round(rate * 10) / 10;
  return (
    <li>
      <span class="name">{name}</span>
      <span class="number">{count(n)}</span>
      <span class="quiet">{of === undefined ? `${count(shown)} a day` : `${count(shown)} % of requests`}</span>
    </li>
  );
}

function Latest() {
  const pages = usePages("/sessions", { query: { limit: LATEST } });
  const live = useStream(
    can("events:read") ? `${API}/events/stream` : null,
    ["session.created", "session.updated", "session.ended"],
    (name, data) => {
      const { session } = data as LiveChange;
      if (!session) return;
      pages.update((rows) => {
        const known = rows.some((row) => row.id === session.id);
        if (known) return rows.map((row) => (row.id === session.id ? session : row));
        return name === "session.created" ? [session, ...rows].slice(0, LATEST) : rows;
      });
    },
    () => {
      if (pages.rows) pages.reload();
    },
  );
  return (
    <Card title="Latest sessions" actions={can("events:read") && <Live state={live.value} />}>
      <ListOf
        from={{ ...pages, more: false }}
        empty={
          <Empty title="No sessions yet.">
            <p>
              Point a vendor's client at <Code>{location.origin}</Code>, or send one of the README's curl lines. Sessions
              appear here at once.
            </p>
          </Empty>
        }
      >
        {(rows) => (
          <ul class="rows">
            {rows.map((session) => (
              <li key={session.id}>
                <SessionName session={session} />
                <span class="end">
                  <DialectTag dialect={session.dialect} /> <StateTag state={session.state} /> <Time at={session.created_at} />
                </span>
              </li>
            ))}
          </ul>
        )}
      </ListOf>
      <p>
        <a href="/console/sessions">All sessions</a>
      </p>
    </Card>
  );
}

function Active() {
  return (
    <Card title="Open sessions by dialect">
      <ul class="bars">
        {DIALECTS.map((dialect) => (
          <ActiveIn dialect={dialect} />
        ))}
      </ul>
    </Card>
  );
}

function ActiveIn({ dialect }: { dialect: Dialect }) {
  const open = useResource("/sessions", { query: { dialect, state: "open", limit: COUNTED } });
  const n = open.data?.data.length ?? 0;
  const text = open.error ? "unknown" : open.data === null ? "…" : open.data.next_cursor ? `${count(n)}+` : count(n);
  return (
    <li class={dialect}>
      <a href={`/console/sessions?dialect=${dialect}&state=open`}>{DIALECT_NAMES[dialect]}</a>
      <meter min={0} max={COUNTED} value={n} aria-hidden="true" />
      <span>{text}</span>
    </li>
  );
}

/** What someone has to do soon: keys that end, webhooks that are off. */
function Attention() {
  const keys = useResource("/keys", { query: { limit: 100 } });
  const webhooks = useResource("/webhooks", { query: { limit: 100 } });
  const expiring = keys.data?.data.filter((key) => key.state === "expiring") ?? [];
  const off = webhooks.data?.data.filter((webhook) => webhook.disabled_reason === "gone") ?? [];
  if (expiring.length + off.length === 0) return null;
  return (
    <Card title="Needs attention">
      <ul class="rows">
        {expiring.map((key) => (
          <li>
            <span>
              The key <a href="/console/keys">{key.name}</a> expires <Time at={key.expires_at} />. Rotate it before.
            </span>
          </li>
        ))}
        {off.map((webhook) => (
          <li>
            <span>
              The webhook <a href={`/console/webhooks/${webhook.id}`}>{webhook.url}</a> is off, because its endpoint responded that it is gone.
            </span>
          </li>
        ))}
      </ul>
    </Card>
  );
}
