import { useState } from "preact/hooks";
import { get } from "../api/client";
import type { AuditEntry, Json, Verification } from "../api/types";
import { usePages } from "../hooks";
import { describe } from "../state";
import { Empty, Facts, ListOf, PageHead } from "../ui/frame";
import { Code, Foreign, JsonView, Time, count } from "../ui/text";

export function Audit() {
  const pages = usePages<AuditEntry>("/audit");
  const [verdict, setVerdict] = useState<string | null>(null);
  const verify = async () => {
    setVerdict("Checking the chain of hashes…");
    try {
      let entries = 0;
      const faults: string[] = [];
      let cursor: string | null = null;
      do {
        const { data }: { data: Verification } = await get("/audit/verification", { cursor });
        entries += data.entries;
        faults.push(...data.faults.map((fault) => `${fault.kind} ${fault.first}–${fault.last}`));
        cursor = data.next_cursor;
      } while (cursor !== null);
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

/** Returns an actor or object in a few words. */
function words(value: Json): string {
  if (value === null) return "";
  if (typeof value !== "object") return String(value);
  if (Array.isArray(value)) return value.map(words).join(", ");
  const { kind, type, name, id } = value;
  return [kind ?? type, name ?? id].filter((part) => typeof part === "string" || typeof part === "number").join(" ");
}

function Entry({ entry }: { entry: AuditEntry }) {
  return (
    <li>
      <details>
        <summary>
          <span class="number">#{entry.number}</span>
          <strong>{entry.action}</strong>
          <span class="object">
            <Foreign>{words(entry.object)}</Foreign>
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
          <div>
            <h3>Before</h3>
            <JsonView value={entry.before} label={`Entry ${entry.number}: before`} />
          </div>
          <div>
            <h3>After</h3>
            <JsonView value={entry.after} label={`Entry ${entry.number}: after`} />
          </div>
        </div>
        <h3>Actor and object</h3>
        <JsonView value={{ actor: entry.actor, object: entry.object }} label={`Entry ${entry.number}: actor and object`} />
      </details>
    </li>
  );
}
