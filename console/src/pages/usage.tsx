import { useLocation } from "preact-iso";
import type { UsageRow } from "../api/schema";
import { useResource } from "../hooks";
import { can } from "../state";
import { Chart } from "../ui/chart";
import { Field, Form, Select, Submit } from "../ui/form";
import { Card, Empty, PageHead, Show, Table, type Column } from "../ui/frame";
import { Code, DialectTag, Foreign, count } from "../ui/text";
import { daysBack, perDay } from "../usage";

const BY = ["day", "dialect", "agent", "key"] as const;
type By = (typeof BY)[number];
const COUNTS = ["sessions", "events", "requests", "errors"] as const;
const BY_NAMES: Record<By, string> = { day: "Day", dialect: "Dialect", agent: "Agent", key: "Key" };

export function Usage() {
  const { query, route } = useLocation();
  const by = BY.find((one) => one === query["by"]) ?? "day";
  const from = query["from"] ?? daysBack(29);
  const to = query["to"] ?? daysBack(0);
  const usage = useResource("/usage", { query: { from, to, by } });
  const agents = useResource(by === "agent" && can("agents:read") ? "/agents" : null, { query: { limit: 100 } });
  const keys = useResource(by === "key" && can("manage") ? "/keys" : null, { query: { limit: 100 } });
  const first: Column<UsageRow> = {
    head: BY_NAMES[by],
    cell: (row) => {
      if (by === "day") return row.day;
      if (by === "dialect") return row.dialect ? <DialectTag dialect={row.dialect} /> : "none";
      const id = by === "agent" ? row.agent_id : row.key_id;
      if (!id) return <span class="quiet">none</span>;
      const name = by === "agent" ? agents.data?.data.find((one) => one.id === id)?.name : keys.data?.data.find((one) => one.id === id)?.name;
      return name ? <Foreign>{name}</Foreign> : <Code>{id}</Code>;
    },
  };
  return (
    <>
      <PageHead title="Usage" lead="What was stored and requested, by days in UTC." />
      <Form
        class="filters"
        key={`${by} ${from} ${to}`}
        label="Period"
        submit={async (values) => route(`/console/usage?${new URLSearchParams({ by: values.text("by"), from: values.text("from"), to: values.text("to") })}`)}
      >
        <div class="row">
          <Select name="by" label="By" value={by} options={BY.map((one) => [one, BY_NAMES[one]] as const)} />
          <Field name="from" label="From" type="date" required defaultValue={from} />
          <Field name="to" label="To" type="date" required defaultValue={to} />
          <Submit>Show</Submit>
        </div>
      </Form>
      <Show from={usage}>
        {({ data }) => {
          if (data.length === 0) {
            return (
              <Empty title="Nothing was used in this period.">
                <p>Choose a longer period, or send a first session.</p>
              </Empty>
            );
          }
                    const daily = by === "day" ? perDay(data, from, to) : [];
          return (
            <>
              {by === "day" && (
                <Card title="Per day">
                  <Chart
                    label="Usage per day"
                    days={daily.map((row) => row.day)}
                    series={COUNTS.map((member, index) => ({
                      name: member[0]?.toUpperCase() + member.slice(1),
                      color: `c${index + 1}`,
                      values: daily.map((row) => row[member]),
                    }))}
                  />
                </Card>
              )}
              <Table
                label={`Usage by ${by}`}
                rows={by === "day" ? [...data].sort((a, b) => (b.day ?? "").localeCompare(a.day ?? "")) : data}
                id={(row) => row.day ?? row.dialect ?? row.agent_id ?? row.key_id ?? ""}
                columns={[
                  first,
                  ...COUNTS.map((member) => ({
                    head: member[0]?.toUpperCase() + member.slice(1),
                    numeric: true,
                    cell: (row: UsageRow) => count(row[member]),
                  })),
                ]}
              />
            </>
          );
        }}
      </Show>
    </>
  );
}
