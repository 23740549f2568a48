import { useState } from "preact/hooks";
import { del, idempotencyKey, post } from "../api/client";
import type { Key, MadeKey } from "../api/schema";
import { SCOPES } from "../api/words";
import { usePages } from "../hooks";
import { can, notify } from "../state";
import { Check, ConfirmBody, Field, Form, FormActions, Select, Submit, TextArea, type Values } from "../ui/form";
import { Dialog, Empty, ListOf, PageHead, Table } from "../ui/frame";
import { Code, CopyLine, Foreign, Tag, Time } from "../ui/text";

type Open = { what: "create" } | { what: "rotate" | "revoke"; key: Key } | { what: "shown"; key: MadeKey };

/** What most programs need; the rest is chosen on purpose. */
const USUAL: readonly string[] = ["capture", "sessions:read", "sessions:write", "events:read", "events:write", "agents:read"];

const TONES: Record<string, "good" | "warn"> = { active: "good", expiring: "warn" };

const WARNINGS: Record<string, string> = {
  expires_soon: "It expires within 14 days. Rotate it before.",
  unused: "It was not used for 90 days. Revoke it if no program needs it.",
};

export function Keys() {
  const pages = usePages("/keys");
  const [open, setOpen] = useState<Open | null>(null);
  const close = () => setOpen(null);
  const create = (
    <button type="button" class="primary" onClick={() => setOpen({ what: "create" })}>
      New key
    </button>
  );
  const shown = (key: MadeKey) => {
    setOpen({ what: "shown", key });
    pages.reload();
  };
  return (
    <>
      <PageHead title="Keys" lead="API keys of the organization. Only their hashes are stored.">
        {create}
      </PageHead>
      <ListOf
        from={pages}
        empty={
          <Empty title="No keys yet.">
            <p>Clients send a key with every request. Create one for each program, with the scopes that it needs.</p>
            {create}
          </Empty>
        }
      >
        {(rows) => (
          <Table
            label="Keys"
            rows={rows}
            id={(key) => key.id}
            columns={[
              {
                head: "Name", roomy: true,
                cell: (key) => (
                  <>
                    <Foreign>{key.name}</Foreign>
                    {key.warnings.map((warning) => <p class="warning">{WARNINGS[warning] ?? warning}</p>)}
                  </>
                ),
              },
              { head: "Key", roomy: true, cell: (key) => <Code>{`${key.prefix}_${key.hint ?? ""}…`}</Code> },
              { head: "State", cell: (key) => <Tag tone={TONES[key.state]}>{key.state}</Tag> },
              { head: "Scopes", minor: true, cell: (key) => <span class="scopes">{key.scopes.length === SCOPES.length ? "all" : key.scopes.join(", ")}</span> },
              { head: "Last used", cell: (key) => (key.last_used_at ? <Time at={key.last_used_at} /> : <span class="quiet">never</span>) },
              { head: "Expires", cell: (key) => (key.expires_at ? <Time at={key.expires_at} /> : <span class="quiet">never</span>) },
              {
                head: "",
                cell: (key) =>
                  (key.state === "active" || key.state === "expiring") && (
                    <span class="buttons">
                      <button type="button" class="small" onClick={() => setOpen({ what: "rotate", key })} aria-label={`Rotate ${key.name}`}>
                        Rotate
                      </button>
                      <button type="button" class="small danger" onClick={() => setOpen({ what: "revoke", key })} aria-label={`Revoke ${key.name}`}>
                        Revoke
                      </button>
                    </span>
                  ),
              },
            ]}
          />
        )}
      </ListOf>
      {open?.what === "create" && <Create close={close} done={shown} />}
      {open?.what === "shown" && <Shown of={open.key} close={close} />}
      {open?.what === "rotate" && <Rotate of={open.key} close={close} done={shown} />}
      {open?.what === "revoke" && (
        <Dialog title="Revoke this key?" close={close}>
          <ConfirmBody
            action="Revoke key"
            cancel={close}
            submit={async () => {
              await del("/keys/{key_id}", { path: { key_id: open.key.id } });
              notify("The key has been revoked.");
              pages.reload();
              close();
            }}
          >
            <p>
              Programs that use <Foreign>{open.key.name}</Foreign> are rejected within a second. A revoked key cannot be made
              valid again.
            </p>
          </ConfirmBody>
        </Dialog>
      )}
    </>
  );
}

function Create({ close, done }: { close: () => void; done: (key: MadeKey) => void }) {
  const [once] = useState(idempotencyKey);
  const submit = async (values: Values) => {
    const addresses = values.text("allowed_addresses").split(/[\s,]+/).filter(Boolean);
    const scopes = values.all("scopes");
    if (scopes.length === 0) throw new Error("Choose at least one scope.");
    const expires = values.text("expires_at");
    const body = {
      name: values.text("name"),
      scopes,
      ...(expires && { expires_at: new Date(expires).toISOString() }),
      ...(addresses.length > 0 && { allowed_addresses: addresses }),
    };
    done((await post("/keys", { body, idempotencyKey: once })).data);
  };
  return (
    <Dialog title="New key" close={close}>
      <Form submit={submit}>
        <Field name="name" label="Name" required maxLength={200} hint="Which program uses it, so that it can be recognized later." />
        <fieldset>
          <legend>Scopes</legend>
          <div class="checks">
            {SCOPES.filter(can).map((scope) => (
              <Check name="scopes" value={scope} label={<code>{scope}</code>} checked={USUAL.includes(scope)} />
            ))}
          </div>
        </fieldset>
        <Field name="expires_at" label="Expires" type="datetime-local" hint="Empty for a key that does not expire." />
        <TextArea
          name="allowed_addresses"
          label="Allowed addresses"
          rows={2}
          dir="ltr"
          placeholder="203.0.113.0/24"
          hint="Networks that may use it, separated by spaces; empty for all."
        />
        <FormActions cancel={close}>
          <Submit>Create</Submit>
        </FormActions>
      </Form>
    </Dialog>
  );
}

function Rotate({ of, close, done }: { of: Key; close: () => void; done: (key: MadeKey) => void }) {
  const [once] = useState(idempotencyKey);
  const submit = async (values: Values) => {
    const body = { overlap_seconds: Number(values.text("overlap")) };
    done((await post("/keys/{key_id}/rotate", { path: { key_id: of.id }, body, idempotencyKey: once })).data);
  };
  return (
    <Dialog title="Rotate this key" close={close}>
      <Form submit={submit}>
        <p>
          A new key with the same name and scopes replaces <Foreign>{of.name}</Foreign>. The old one stays valid for a while, so
          that programs can change over.
        </p>
        <Select
          name="overlap"
          label="The old key stays valid for"
          value="86400"
          options={[["0", "no time"], ["3600", "an hour"], ["86400", "a day"], ["604800", "a week"]]}
        />
        <FormActions cancel={close}>
          <Submit>Rotate</Submit>
        </FormActions>
      </Form>
    </Dialog>
  );
}

function Shown({ of, close }: { of: MadeKey; close: () => void }) {
  return (
    <Dialog title="Copy the key now" close={close}>
      <p>
        This is the only time that the key of <Foreign>{of.name}</Foreign> is shown.
      </p>
      <CopyLine text={of.key} label="New key" />
      <div class="form-actions">
        <button type="button" class="primary" onClick={close}>
          I have stored it
        </button>
      </div>
    </Dialog>
  );
}
