import { useState } from "preact/hooks";
import { idempotencyKey, patch, post, segment } from "../api/client";
import type { Organization } from "../api/types";
import { usePages } from "../hooks";
import { notify } from "../state";
import { Check, Field, Form, FormActions, Submit, type Values } from "../ui/form";
import { Dialog, Empty, ListOf, PageHead, Table } from "../ui/frame";
import { Code, Foreign, Tag, Time } from "../ui/text";

export function Organizations() {
  const pages = usePages<Organization>("/organizations");
  const [open, setOpen] = useState<"create" | Organization | null>(null);
  const close = () => setOpen(null);
  const create = async (values: Values, once: string) => {
    const external = values.text("external_id");
    await post("/organizations", { name: values.text("name"), ...(external && { external_id: external }) }, { idempotencyKey: once });
    notify("The organization has been created.");
    pages.reload();
    close();
  };
  const change = async (values: Values, id: string) => {
    await patch(`/organizations/${segment(id)}`, { name: values.text("name"), disabled: values.has("disabled") });
    notify("The organization has been changed.");
    pages.reload();
    close();
  };
  return (
    <>
      <PageHead title="Organizations" lead="Every tenant of this deployment.">
        <button type="button" class="primary" onClick={() => setOpen("create")}>
          New organization
        </button>
      </PageHead>
      <ListOf from={pages} empty={<Empty title="No organizations." />}>
        {(rows) => (
          <Table
            label="Organizations"
            rows={rows}
            id={(organization) => organization.id}
            columns={[
              { head: "Name", roomy: true, cell: (organization) => <Foreign>{organization.name}</Foreign> },
              { head: "Id", roomy: true, cell: (organization) => <Code>{organization.id}</Code> },
              { head: "External id", minor: true, cell: (organization) => organization.external_id && <Code>{organization.external_id}</Code> },
              { head: "State", cell: (organization) => (organization.disabled_at ? <Tag tone="bad">disabled</Tag> : <Tag tone="good">enabled</Tag>) },
              { head: "Created", cell: (organization) => <Time at={organization.created_at} /> },
              {
                head: "",
                cell: (organization) => (
                  <button type="button" class="small" onClick={() => setOpen(organization)} aria-label={`Edit ${organization.name}`}>
                    Edit
                  </button>
                ),
              },
            ]}
          />
        )}
      </ListOf>
      {open === "create" && <Create close={close} submit={create} />}
      {open !== null && open !== "create" && (
        <Dialog title="Edit organization" close={close}>
          <Form submit={(values) => change(values, open.id)}>
            <Field name="name" label="Name" required defaultValue={open.name} />
            <Check name="disabled" label="Disabled: all of its credentials are rejected" checked={open.disabled_at !== null} />
            <FormActions cancel={close}>
              <Submit>Save</Submit>
            </FormActions>
          </Form>
        </Dialog>
      )}
    </>
  );
}

function Create({ close, submit }: { close: () => void; submit: (values: Values, once: string) => Promise<void> }) {
  const [once] = useState(idempotencyKey);
  return (
    <Dialog title="New organization" close={close}>
      <Form submit={(values) => submit(values, once)}>
        <Field name="name" label="Name" required />
        <Field name="external_id" label="External id" dir="ltr" hint="The id that your identity provider has for it, such as org_2abc123." />
        <FormActions cancel={close}>
          <Submit>Create</Submit>
        </FormActions>
      </Form>
    </Dialog>
  );
}
