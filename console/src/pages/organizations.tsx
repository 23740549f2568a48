import { useState } from "preact/hooks";
import { idempotencyKey, patch, post } from "../api/client";
import type { NewLimits, Organization, OwnLimits } from "../api/schema";
import { usePages, useResource } from "../hooks";
import { me, notify } from "../state";
import { Check, Field, Form, FormActions, Submit, type Values } from "../ui/form";
import { Dialog, Empty, Facts, ListOf, PageHead, Show, Table } from "../ui/frame";
import { Code, Foreign, Tag, Time, count } from "../ui/text";

type Open = { what: "create" } | { what: "edit"; id: string };

export function Organizations() {
  const pages = usePages("/organizations");
  const [open, setOpen] = useState<Open | null>(null);
  const close = () => setOpen(null);
  const done = (text: string) => {
    notify(text);
    pages.reload();
    close();
  };
  const create = (
    <button type="button" class="primary" onClick={() => setOpen({ what: "create" })}>
      New organization
    </button>
  );
  return (
    <>
      <PageHead title="Organizations" lead="Every tenant of this deployment.">
        {create}
      </PageHead>
      <ListOf
        from={pages}
        empty={
          <Empty title="No organizations yet.">
            <p>Each has its own sessions, agents and keys, which no other one sees.</p>
            {create}
          </Empty>
        }
      >
        {(rows) => (
          <Table
            label="Organizations"
            rows={rows}
            id={(organization) => organization.id}
            columns={[
              { head: "Name", roomy: true, cell: (organization) => <Foreign>{organization.name}</Foreign> },
              { head: "Id", roomy: true, cell: (organization) => <Code>{organization.id}</Code> },
              {
                head: "External id", minor: true,
                cell: (organization) => organization.external_id && <Code>{organization.external_id}</Code>,
              },
              {
                head: "State",
                cell: (organization) =>
                  organization.disabled_at ? <Tag tone="bad">disabled</Tag> : <Tag tone="good">enabled</Tag>,
              },
              { head: "Created", cell: (organization) => <Time at={organization.created_at} /> },
              {
                head: "",
                cell: (organization) => (
                  <button
                    type="button"
                    class="small"
                    onClick={() => setOpen({ what: "edit", id: organization.id })}
                    aria-label={`Edit ${organization.name}`}
                  >
                    Edit
                  </button>
                ),
              },
            ]}
          />
        )}
      </ListOf>
      {open?.what === "create" && <Create close={close} done={() => done("The organization has been created.")} />}
      {open?.what === "edit" && <Edit id={open.id} close={close} done={() => done("The organization has been changed.")} />}
    </>
  );
}

function Create({ close, done }: { close: () => void; done: () => void }) {
  const [once] = useState(idempotencyKey);
  const submit = async (values: Values) => {
    const body = { name: values.text("name"), external_id: values.optional("external_id") };
    await post("/organizations", { body, idempotencyKey: once });
    done();
  };
  return (
    <Dialog title="New organization" close={close}>
      <Form submit={submit}>
        <Field name="name" label="Name" required />
        <Field name="external_id" label="External id" dir="ltr" hint="The id that your identity provider has for it, such as org_2abc123." />
        <p class="hint">
          Its first key is made on the server, with <code>sessionary key create</code>.
        </p>
        <FormActions cancel={close}>
          <Submit>Create</Submit>
        </FormActions>
      </Form>
    </Dialog>
  );
}

const CLASSES = ["capture", "writes", "reads"] as const;
const CLASS_NAMES = { capture: "Captures", writes: "Writes", reads: "Reads" };

function Edit({ id, close, done }: { id: string; close: () => void; done: () => void }) {
  const organization = useResource("/organizations/{organization_id}", { path: { organization_id: id } });
  return (
    <Dialog title="Edit organization" close={close}>
      <Show from={organization}>
        {(data) => <EditForm organization={data} etag={organization.etag} close={close} done={done} />}
      </Show>
    </Dialog>
  );
}

function EditForm({ organization, etag, close, done }: {
  organization: Organization;
  etag: string | null;
  close: () => void;
  done: () => void;
}) {
  const isOwn = organization.id === me.value?.organization.id;
  const submit = async (values: Values) => {
    const body = {
      ...(!isOwn && { enabled: !values.has("disabled") }),
      limits: readLimits(values, "limits"),
      total_limits: readLimits(values, "total_limits"),
      quota_bytes: number(values, "quota_bytes"),
      capture_open: values.has("capture_open"),
    };
    await patch("/organizations/{organization_id}", { path: { organization_id: organization.id }, body, ifMatch: etag });
    done();
  };
  return (
    <Form submit={submit}>
      <Facts
        items={[
          ["Name", <Foreign>{organization.name}</Foreign>],
          ["Stored", `${count(organization.stored_bytes)} bytes`],
        ]}
      />
      {!isOwn && (
        <Check name="disabled" label="Disabled: all of its credentials are rejected" checked={Boolean(organization.disabled_at)} />
      )}
      <Check name="capture_open" label="Agnost's captures need no key, only the organization's id" checked={organization.capture_open} />
      <Field
        name="quota_bytes"
        label="Storage quota, in bytes"
        type="number"
        min={1}
        hint="Empty: the deployment's."
        defaultValue={String(organization.quota_bytes ?? "")}
      />
      <LimitFields name="limits" label="Requests per minute of each key or token" limits={organization.limits} />
      <LimitFields name="total_limits" label="Requests per minute of all together" limits={organization.total_limits} />
      <FormActions cancel={close}>
        <Submit>Save</Submit>
      </FormActions>
    </Form>
  );
}

function LimitFields({ name, label, limits }: { name: string; label: string; limits: OwnLimits }) {
  return (
    <fieldset>
      <legend>{label}</legend>
      <div class="row">
        {CLASSES.map((kind) => (
          <Field name={`${name}/${kind}`} label={CLASS_NAMES[kind]} type="number" min={1} defaultValue={String(limits[kind] ?? "")} />
        ))}
      </div>
      <p class="hint">Empty: the deployment's.</p>
    </fieldset>
  );
}

/** Returns a number of the form; `null` if it is empty. */
function number(values: Values, name: string): number | null {
  const text = values.text(name);
  return text === "" ? null : Number(text);
}

const readLimits = (values: Values, name: string): NewLimits =>
  Object.fromEntries(CLASSES.map((kind) => [kind, number(values, `${name}/${kind}`)]));
