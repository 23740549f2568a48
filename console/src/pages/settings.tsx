import { useState } from "preact/hooks";
import { patch, post, put } from "../api/client";
import type { ReplaceRetention, Retention, RetentionPreview, Settings } from "../api/schema";
import { DIALECTS, type Dialect } from "../api/words";
import { useResource, type Resource } from "../hooks";
import { me, notify } from "../state";
import { Check, Field, Form, FormActions, Submit, type Values } from "../ui/form";
import { Card, Facts, PageHead, Show } from "../ui/frame";
import { ResponderFields, isSame, readResponder } from "../ui/responder";
import { Code, DIALECT_NAMES, count, dialectName } from "../ui/text";
import { plain } from "../plain";

export function SettingsPage() {
  const settings = useResource("/settings");
  const retention = useResource("/retention");
  const limits = useResource("/limits");
  return (
    <>
      <PageHead title="Settings" />
      <div class="columns even">
        <Card title="Organization">
          <Show from={settings}>{(data) => <Organization settings={data} resource={settings} />}</Show>
        </Card>
        <Card title="Retention">
          <Show from={retention}>{(data) => <RetentionForm key={JSON.stringify(data)} retention={data} resource={retention} />}</Show>
        </Card>
      </div>
      <Card title="Limits">
        <Show from={limits}>{(data) => <Facts items={plain(data)} wide />}</Show>
      </Card>
    </>
  );
}

/** Returns what retention would erase, in a sentence. */
function erasedBy({ sessions, events, is_complete }: RetentionPreview): string {
  const each = Object.entries(sessions).filter(([, n]) => n > 0).map(([dialect, n]) => `${count(n)} of ${dialectName(dialect)}`);
  const least = is_complete ? "" : "At least ";
  if (each.length === 0) return is_complete ? "No session would be erased now." : "No session that was looked at would be erased now; there are more.";
  return `${least}${each.join(", ")} with ${count(events)} events would be erased now.`;
}

function Organization({ settings, resource }: { settings: Settings; resource: Resource<Settings> }) {
  const submit = async (values: Values) => {
    const responder = readResponder(values);
    const body = { name: values.text("name"), ...(responder && !isSame(settings.default_responder, responder) && { default_responder: responder }) };
    const reply = await patch("/settings", { body, ifMatch: resource.etag });
    resource.set(reply.data, reply.etag);
    if (me.value) me.value = { ...me.value, organization: { ...me.value.organization, name: body.name } };
    notify("The settings have been saved.");
  };
  return (
    <Form submit={submit} label="Settings of the organization">
      <Facts
        items={[
          ["Id", <Code>{me.value?.organization.id}</Code>],
          ["External id", me.value?.organization.external_id && <Code>{me.value.organization.external_id}</Code>],
        ]}
      />
      <Field name="name" label="Name" required defaultValue={settings.name} />
      <ResponderFields responder={settings.default_responder} label="Responder of agents without their own" />
      <FormActions>
        <Submit>Save</Submit>
      </FormActions>
    </Form>
  );
}

function RetentionForm({ retention, resource }: { retention: Retention; resource: Resource<Retention> }) {
  const [preview, setPreview] = useState<RetentionPreview | null>(null);
  const days = (dialect: Dialect) => String(retention.rules.find((rule) => rule.dialect === dialect)?.days ?? "");
  const read = (values: Values): ReplaceRetention => ({
    rules: DIALECTS.flatMap((dialect) => {
      const text = values.text(`days-${dialect}`);
      return text ? [{ dialect, days: Number(text) }] : [];
    }),
    legal_hold: values.has("legal_hold"),
  });
  const submit = async (values: Values) => {
    const body = read(values);
    if (values.has("preview")) {
      setPreview((await post("/retention/preview", { body: { rules: body.rules } })).data);
      return;
    }
    const reply = await put("/retention", { body, ifMatch: resource.etag });
    setPreview(null);
    resource.set(reply.data, reply.etag);
    notify("The retention has been saved.");
  };
  return (
    <Form submit={submit} label="Retention">
      <p class="quiet">Sessions are erased so many days after their last change. Empty: they stay.</p>
      <div class="row">
        {DIALECTS.map((dialect) => (
          <Field name={`days-${dialect}`} label={`${DIALECT_NAMES[dialect]}, in days`} type="number" min={1} defaultValue={days(dialect)} />
        ))}
      </div>
      <Check name="legal_hold" label="Legal hold: nothing is erased, by age or on request" checked={retention.legal_hold} />
      <Check name="preview" label="Only show what the rules would erase" />
      {preview && <p role="status">{erasedBy(preview)}</p>}
      <FormActions>
        <Submit>Save</Submit>
      </FormActions>
    </Form>
  );
}
