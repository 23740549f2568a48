import { useEffect, useRef, useState } from "preact/hooks";
import { importFile, type Imported } from "../import";
import { describe } from "../state";
import { Check, Field, Form, FormActions, Submit, type Values } from "../ui/form";
import { Card, Empty, PageHead, Table } from "../ui/frame";
import { Foreign, Tag, count } from "../ui/text";

interface Run {
  name: string;
  dryRun: boolean;
  state: "running" | "done" | "failed" | "stopped";
  done: Imported | null;
  error?: string;
}

export function Imports() {
  const [run, setRun] = useState<Run | null>(null);
  const abort = useRef<AbortController | null>(null);
  // An import ends with its page.
  useEffect(() => () => abort.current?.abort(), []);

  const submit = async (values: Values) => {
    const file = values.file("file");
    if (!file) throw new Error("Choose a file.");
    const dryRun = values.has("dry_run");
    const controller = new AbortController();
    abort.current = controller;
    let latest: Run = { name: file.name, dryRun, state: "running", done: null };
    const show = (change: Partial<Run>) => setRun((latest = { ...latest, ...change }));
    show({});
    try {
      show({ done: await importFile(file, dryRun, (done) => show({ done }), controller.signal), state: "done" });
    } catch (error) {
      if (controller.signal.aborted) show({ state: "stopped" });
      else show({ state: "failed", error: describe(error) });
    }
  };
  return (
    <>
      <PageHead title="Import" lead="Sessions from a file that an export has written, of this organization or another one." />
      <Card title="File">
        <Form submit={submit} label="Import">
          <Field
            name="file"
            label="Lines of JSON, also compressed by gzip"
            type="file"
            required
            accept=".jsonl,.ndjson,.json,.gz,application/x-ndjson"
            hint="Sessions that exist as they are in the file are not stored twice, so that you can import a file again."
          />
          <Check name="dry_run" label="Dry run: store nothing, only show what would be stored" checked />
          <FormActions>
            {run?.state === "running" && (
              <button type="button" class="ghost" onClick={() => abort.current?.abort()}>
                Stop
              </button>
            )}
            <Submit>Import</Submit>
          </FormActions>
        </Form>
      </Card>
      {run && <Result run={run} />}
    </>
  );
}

const STATES: Record<Run["state"], ["good" | "warn" | "bad" | undefined, string]> = {
  running: ["warn", "running"],
  done: ["good", "complete"],
  failed: ["bad", "failed"],
  stopped: [undefined, "stopped"],
};

function Result({ run }: { run: Run }) {
  const [tone, state] = STATES[run.state];
  const { created = 0, existing = 0, rejected = 0, lines = [], share = 0 } = run.done ?? {};
  const read = created + existing + rejected;
  return (
    <Card title={run.dryRun ? "Dry run" : "Import"} actions={<Tag tone={tone}>{state}</Tag>}>
      <p role="status">
        <Foreign>{run.name}</Foreign>: {count(read)} {read === 1 ? "line" : "lines"} read, {Math.floor(share * 100)} % of the file.
        {run.state === "done" && run.dryRun && " Nothing was stored. Import the file without “Dry run” to store it."}
      </p>
      {run.error && (
        <p class="form-error" role="alert">
          {run.error} {read > 0 && !run.dryRun && "What was read before is stored. Import the file again to continue."}
        </p>
      )}
      <ul class="tiles">
        <Tile name={run.dryRun ? "Would be created" : "Created"} n={created} text="lines of which something is new" />
        <Tile name="Existing" n={existing} text="lines all of which exist" />
        <Tile name="Rejected" n={rejected} text="lines that cannot be stored" />
      </ul>
      {lines.length > 0 && (
        <>
          <h3>Rejected lines</h3>
          <Table
            label="Rejected lines"
            rows={lines}
            id={(line) => line.line}
            columns={[
              { head: "Line", numeric: true, cell: (line) => count(line.line) },
              { head: "Reason", roomy: true, cell: (line) => <Foreign>{line.detail}</Foreign> },
            ]}
          />
          {rejected > lines.length && <p class="quiet">The first {count(lines.length)} are shown.</p>}
        </>
      )}
      {run.state === "done" && read === 0 && (
        <Empty title="The file has no lines.">
          <p>Export sessions as JSONL; CSV cannot be imported.</p>
        </Empty>
      )}
      {run.state === "done" && !run.dryRun && created > 0 && (
        <p>
          <a href="/console/sessions">All sessions</a>
        </p>
      )}
    </Card>
  );
}

function Tile({ name, n, text }: { name: string; n: number; text: string }) {
  return (
    <li>
      <span class="name">{name}</span>
      <span class="number">{count(n)}</span>
      <span class="quiet">{text}</span>
    </li>
  );
}
