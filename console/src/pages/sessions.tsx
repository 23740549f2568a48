import { useLocation } from "preact-iso";
import { useState } from "preact/hooks";
import { API, url, type QueryOf } from "../api/client";
import { useStream } from "../api/stream";
import type { Session } from "../api/schema";
import { DIALECTS, type LiveChange } from "../api/words";
import { usePages, useResource } from "../hooks";
import { can } from "../state";
import { Field, Form, Select, Submit, type Values } from "../ui/form";
import { Dialog, Empty, ListOf, PageHead, Table } from "../ui/frame";
import { Live, SessionName } from "../ui/session";
import { Code, DIALECT_NAMES, DialectTag, Foreign, StateTag, Time } from "../ui/text";

const FILTERS = ["q", "dialect", "state", "agent_id", "user_id", "kind", "created_after", "created_before", "metadata", "order"] as const;
/** The filters of exports. */
const EXPORT_FILTERS = ["dialect", "agent_id", "user_id", "created_after", "created_before"];
const MORE_FILTERS = ["user_id", "kind", "created_after", "created_before", "metadata", "order"];

/** Returns the filters in a page's address; others than these are ignored. */
export function filtersOf(query: Record<string, string>): Record<string, string> {
  return Object.fromEntries(FILTERS.flatMap((name) => (query[name] ? [[name, query[name]]] : [])));
}

/** Whether a new session belongs into the list, as far as the console can know. */
function fits(session: Session, filters: Record<string, string>): boolean {
  return (
    (!filters["dialect"] || filters["dialect"] === session.dialect) &&
    (!filters["state"] || filters["state"] === session.state) &&
    (!filters["agent_id"] || filters["agent_id"] === session.agent_id) &&
    (!filters["user_id"] || filters["user_id"] === session.user_id) &&
    (!filters["kind"] || filters["kind"] === session.kind) &&
    !filters["created_before"] &&
    !filters["metadata"] &&
    !filters["q"]
  );
}

export function Sessions() {
  const { query, route } = useLocation();
  const filters = filtersOf(query);
  const pages = usePages("/sessions", { query: filters });
  const [fresh, setFresh] = useState<ReadonlySet<string>>(new Set());
  const [exporting, setExporting] = useState(false);
  const key = JSON.stringify(filters);
  const reload = () => {
    setFresh(new Set());
    pages.reload();
  };
  const live = useStream(
    can("events:read") ? `${API}/events/stream` : null,
    ["session.created", "session.updated", "session.ended"],
    (name, data) => {
      const { session } = data as LiveChange;
      if (!session) return;
      pages.update((rows) => rows.map((row) => (row.id === session.id ? session : row)));
      if (name === "session.created" && fits(session, filters)) setFresh((old) => new Set(old).add(session.id));
    },
    () => {
      if (pages.rows && pages.rows.length <= 25) reload();
    },
  );
  const apply = (next: Record<string, string>) => {
    setFresh(new Set());
    route(`/console/sessions${new URLSearchParams(next).size ? `?${new URLSearchParams(next)}` : ""}`);
  };
  const filtered = Object.keys(filters).length > 0;
  return (
    <>
      <PageHead title="Sessions">
        {can("events:read") && <Live state={live.value} />}
        {can("export") && (
          <button type="button" onClick={() => setExporting(true)}>
            Export
          </button>
        )}
      </PageHead>
      <Filters key={key} filters={filters} apply={apply} />
      <div role="status" class="fresh">
        {fresh.size > 0 && (
          <button type="button" class="primary" onClick={reload}>
            Show {fresh.size} new {fresh.size === 1 ? "session" : "sessions"}
          </button>
        )}
      </div>
      <ListOf
        from={pages}
        empty={
          filtered ? (
            <Empty title="No session matches.">
              <p>
                Change the filters, or <a href="/console/sessions">show all sessions</a>.
              </p>
            </Empty>
          ) : (
            <Empty title="No sessions yet.">
              <p>
                Point a vendor's client at <Code>{location.origin}</Code>. Its sessions appear here at once.
                {can("sessions:write") && (
                  <>
                    {" "}
                    Or <a href="/console/import">import</a> what another service has exported.
                  </>
                )}
              </p>
            </Empty>
          )
        }
      >
        {(rows) => <SessionTable rows={rows} />}
      </ListOf>
      {exporting && <ExportDialog filters={filters} close={() => setExporting(false)} />}
    </>
  );
}

export function SessionTable({ rows }: { rows: Session[] }) {
  return (
    <Table
      label="Sessions"
      rows={rows}
      id={(session) => session.id}
      columns={[
        { head: "Session", roomy: true, cell: (session) => <SessionName session={session} /> },
        { head: "Dialect", cell: (session) => <DialectTag dialect={session.dialect} /> },
        { head: "State", cell: (session) => <StateTag state={session.state} /> },
        {
          head: "User", roomy: true,
          cell: (session) =>
            session.user_id && (
              <a href={`/console/user?id=${encodeURIComponent(session.user_id)}`}>
                <Foreign>{session.user_id}</Foreign>
              </a>
            ),
        },
        { head: "Kind", minor: true, cell: (session) => <Foreign>{session.kind}</Foreign> },
        { head: "Created", cell: (session) => <Time at={session.created_at} /> },
        { head: "Updated", minor: true, cell: (session) => <Time at={session.updated_at} /> },
      ]}
    />
  );
}

function Filters({ filters, apply }: { filters: Record<string, string>; apply: (next: Record<string, string>) => void }) {
  const agents = useResource(can("agents:read") ? "/agents" : null, { query: { limit: 100 } });
  const set = (name: string, value: string) => {
    const next = { ...filters };
    if (value) next[name] = value;
    else delete next[name];
    apply(next);
  };
  const submit = async (values: Values) => {
    const next: Record<string, string> = {};
    for (const name of FILTERS) {
      const value = values.text(name);
      if (value) next[name] = name.startsWith("created_") ? new Date(value).toISOString() : value;
    }
    apply(next);
  };
  const known = agents.data?.data ?? [];
  const chosen = filters["agent_id"];
  const agentOptions: [string, string][] = [
    ["", "Every agent"],
    ...known.map((agent): [string, string] => [agent.id, agent.name || agent.key]),
    ...(chosen && !known.some((agent) => agent.id === chosen) ? [[chosen, chosen] as [string, string]] : []),
  ];
  return (
    <Form class="filters" label="Filters" submit={submit}>
      <div class="row">
        <Field name="q" label="Text" type="search" defaultValue={filters["q"] ?? ""} />
        <Select
          name="dialect"
          label="Dialect"
          value={filters["dialect"] ?? ""}
          options={[["", "Every dialect"], ...DIALECTS.map((dialect) => [dialect, DIALECT_NAMES[dialect]] as const)]}
          onChange={(value) => set("dialect", value)}
        />
        <Select
          name="state"
          label="State"
          value={filters["state"] ?? ""}
          options={[["", "Every state"], ["open", "Open"], ["expired", "Expired"], ["ended", "Ended"]]}
          onChange={(value) => set("state", value)}
        />
        {agentOptions.length > 1 && (
          <Select name="agent_id" label="Agent" value={chosen ?? ""} options={agentOptions} onChange={(value) => set("agent_id", value)} />
        )}
        <Submit>Apply</Submit>
      </div>
      <details open={MORE_FILTERS.some((name) => filters[name])}>
        <summary>More filters</summary>
        <div class="row">
          <Field name="user_id" label="User" defaultValue={filters["user_id"] ?? ""} />
          <Field name="kind" label="Kind" defaultValue={filters["kind"] ?? ""} />
          <Field name="created_after" label="Created after" type="datetime-local" defaultValue={toLocal(filters["created_after"])} />
          <Field name="created_before" label="Created before" type="datetime-local" defaultValue={toLocal(filters["created_before"])} />
          <Field
            name="metadata"
            label="Metadata"
            dir="ltr"
            spellcheck={false}
            placeholder="tier >= 2 AND region = 'us'"
            defaultValue={filters["metadata"] ?? ""}
          />
          <Select
            name="order"
            label="Order"
            value={filters["order"] ?? ""}
            options={[["", "Newest first"], ["oldest", "Oldest first"]]}
            onChange={(value) => set("order", value)}
          />
        </div>
      </details>
      {Object.keys(filters).length > 0 && <a href="/console/sessions">Clear all filters</a>}
    </Form>
  );
}

/** Returns a time as the control for local times writes it. */
function toLocal(time: string | undefined): string {
  const at = new Date(time ?? "");
  if (Number.isNaN(at.getTime())) return "";
  return new Date(at.getTime() - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}

export function ExportDialog({ filters, close }: { filters: Record<string, string>; close: () => void }) {
  const rest: QueryOf<"get", "/exports"> = Object.fromEntries(Object.entries(filters).filter(([name]) => EXPORT_FILTERS.includes(name)));
  const others = Object.keys(filters).filter((name) => !EXPORT_FILTERS.includes(name) && name !== "order");
  return (
    <Dialog title="Export sessions" close={close}>
      <p>
        {Object.keys(rest).length > 0 ? "All sessions that match the filters" : "All sessions of the organization"}, with
        their events.{others.length > 0 && " Exports filter by dialect, agent, user and time only; the other filters are left out."} The file is written while you download it, so it may be as large as you like.
      </p>
      <div class="form-actions">
        <a class="button" href={url("/exports", { query: { format: "csv", ...rest } })} download="sessions.csv">
          Download CSV
        </a>
        <a class="button primary" href={url("/exports", { query: { format: "jsonl", ...rest } })} download="sessions.jsonl">
          Download JSONL
        </a>
      </div>
    </Dialog>
  );
}
