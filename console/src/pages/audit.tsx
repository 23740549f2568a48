import { useState } from "preact/hooks";
import { get } from "../api/client";
import type { AuditActor, AuditEntry, AuditVerification } from "../api/schema";
import { usePages } from "../hooks";
import { describe } from "../state";
import { Empty, Facts, ListOf, PageHead } from "../ui/frame";
import { Code, Foreign, JsonView, Time, count } from "../ui/text";

export function Audit() {
  const pages = usePages("/audit");
  const [verdict, setVerdict] = useState<string | null>(null);
  const verify = async () => {
    setVerdict("Checking the chain of hashes…");
    try {
      let entries = 0;
      const faults: string[] = [];
      let cursor: string | null | undefined = null;
      do {
        const { data }: { data: AuditVerification } = await get("/audit/verification", { query: { cursor } });
        entries += data.entries;
        faults.push(...data.faults.map((fault) => `${fault.kind} ${fault.first}–${fault.last}`));
        cursor = data.next_cursor;
      } while (cursor);
      const text = faults.length === 0 ? "None is missing or changed." : `Not as they were written: ${faults.join(", ")}.`;
      setVerdict(`${count(entries)} entries have been checked. ${text}`);
    } catch (error) {
      setVerdict(describe(error));
    }
  };
  return (
    <>
      <PageHead title="Audit log" lead="Who changed what. Every entry contains the hash of the one before.">
        <button type="button" onClick={() => void verify()}>
          Verify
        </button>
      </PageHead>
      <p role="status" class={verdict ? "verdict" : "hidden"}>
        {verdict}
      </p>
      <ListOf
        from={pages}
        empty={
          <Empty title="No entries yet.">
            <p>Changes to keys, agents, webhooks, retention and erasures are recorded here.</p>
          </Empty>
        }
      >
        {(rows) => (
          <ol class="audit">
            {rows.map((entry) => (
              <Entry key={entry.number} entry={entry} />
            ))}
          </ol>
        )}
      </ListOf>
    </>
  );
}

/** Returns an actor in a few words. */
const words = ({ kind, id }: AuditActor) => [kind.replaceAll("_", " "), id].filter(Boolean).join(" ");

function Entry({ entry }: { entry: AuditEntry }) {
  return (
    <li>
      <details>
        <summary>
          <span class="number">#{entry.number}</span>
          <strong>{entry.action}</strong>
          <span class="object">
            <Foreign>{entry.object}</Foreign>
          </span>
          <span class="actor">
            <Foreign>{words(entry.actor)}</Foreign>
          </span>
          <Time at={entry.at} />
        </summary>
        <Facts
          items={[
            ["Address", entry.address],
            ["Request id", entry.request_id && <Code>{entry.request_id}</Code>],
            ["Hash", <Code>{entry.hash}</Code>],
          ]}
        />
        <div class="columns even">
          <State name="Before" value={entry.before} entry={entry} />
          <State name="After" value={entry.after} entry={entry} />
        </div>
        <h3>Actor and object</h3>
        <JsonView value={{ actor: entry.actor, object: entry.object }} label={`Entry ${entry.number}: actor and object`} />
      </details>
    </li>
  );
}

function State({ name, value, entry }: { name: string; value: object | null | undefined; entry: AuditEntry }) {
  if (!value) return null;
  return (
    <div>
      <h3>{name}</h3>
      <JsonView value={value} label={`Entry ${entry.number}: ${name.toLowerCase()}`} />
    </div>
  );
}
