import { useState } from "preact/hooks";
import { idempotencyKey, post, segment } from "../api/client";
import type { Webhook, WebhookWithSecret } from "../api/schema";
import { DIALECTS, WEBHOOK_EVENTS } from "../api/words";
import { usePages } from "../hooks";
import { Check, Field, Form, FormActions, Submit, type Values } from "../ui/form";
import { Dialog, Empty, ListOf, PageHead, Table } from "../ui/frame";
import { CopyLine, Foreign, Tag, Time, dialectName } from "../ui/text";

export function Webhooks() {
  const pages = usePages("/webhooks");
  const [creating, setCreating] = useState(false);
  const [secret, setSecret] = useState<string | null>(null);
  const create = (
    <button type="button" class="primary" onClick={() => setCreating(true)}>
      New webhook
    </button>
  );
  return (
    <>
      <PageHead title="Webhooks" lead="Signed requests to a program of yours when something happens to a session.">
        {create}
      </PageHead>
      <ListOf
        from={pages}
        empty={
          <Empty title="No webhooks yet.">
            <p>A webhook sends what happens to sessions of every dialect to one address, and retries until it arrives.</p>
            {create}
          </Empty>
        }
      >
        {(rows) => (
          <Table
            label="Webhooks"
            rows={rows}
            id={(webhook) => webhook.id}
            columns={[
              {
                head: "Address", roomy: true,
                cell: (webhook) => (
                  <a href={`/console/webhooks/${segment(webhook.id)}`}>
                    <Foreign>{webhook.url}</Foreign>
                  </a>
                ),
              },
              { head: "Events", cell: (webhook) => webhook.events.join(", ") },
              { head: "State", cell: (webhook) => <WebhookState webhook={webhook} /> },
              { head: "Created", minor: true, cell: (webhook) => <Time at={webhook.created_at} /> },
            ]}
          />
        )}
      </ListOf>
      {creating && (
        <Create
          close={() => setCreating(false)}
          done={(webhook) => {
            setCreating(false);
            setSecret(webhook.secret);
            pages.reload();
          }}
        />
      )}
      {secret && <Secret secret={secret} close={() => setSecret(null)} />}
    </>
  );
}

export function WebhookState({ webhook }: { webhook: Webhook }) {
  if (webhook.enabled && webhook.paused_until) {
    return (
      <>
        <Tag tone="warn">paused</Tag> until <Time at={webhook.paused_until} />
      </>
    );
  }
  if (webhook.enabled) return <Tag tone="good">on</Tag>;
  const isGone = webhook.disabled_reason === "gone";
  return (
    <>
      <Tag tone={isGone ? "bad" : undefined}>off</Tag>{" "}
      {isGone && <span class="quiet">The endpoint responded that it is gone (410).</span>}
    </>
  );
}

/** What a new webhook receives. Not the messages, because their requests contain what was written. */
const SAFE_EVENTS = WEBHOOK_EVENTS.filter((event) => event !== "message.created");

/** The events and the dialects that a webhook receives. */
export function SubscriptionChecks({ events, dialects }: { events: readonly string[]; dialects: readonly string[] }) {
  return (
    <>
      <fieldset>
        <legend>Events</legend>
        <div class="checks">
          {WEBHOOK_EVENTS.map((event) => (
            <Check name="events" value={event} label={<code>{event}</code>} checked={events.includes(event)} />
          ))}
        </div>
        <p class="quiet">Requests of message.created contain what was written.</p>
      </fieldset>
      <fieldset>
        <legend>Of sessions of</legend>
        <div class="checks">
          {DIALECTS.map((dialect) => (
            <Check name="dialects" value={dialect} label={dialectName(dialect)} checked={dialects.includes(dialect)} />
          ))}
        </div>
      </fieldset>
    </>
  );
}

/** Reads what [SubscriptionChecks] shows. Throws an error for the reader if nothing would be sent. */
export function subscription(values: Values) {
  const [events, dialects] = [values.all("events"), values.all("dialects")];
  if (events.length === 0) throw new Error("Choose at least one event.");
  if (dialects.length === 0) throw new Error("Choose at least one dialect.");
  return { events, dialects };
}

function Create({ close, done }: { close: () => void; done: (webhook: WebhookWithSecret) => void }) {
  const [once] = useState(idempotencyKey);
  const submit = async (values: Values) => {
    const body = { url: values.text("url"), ...subscription(values) };
    done((await post("/webhooks", { body, idempotencyKey: once })).data);
  };
  return (
    <Dialog title="New webhook" close={close}>
      <Form submit={submit}>
        <Field name="url" label="Address" type="url" required dir="ltr" placeholder="https://example.com/hooks/sessionary" />
        <SubscriptionChecks events={SAFE_EVENTS} dialects={DIALECTS} />
        <FormActions cancel={close}>
          <Submit>Create</Submit>
        </FormActions>
      </Form>
    </Dialog>
  );
}

export function Secret({ secret, close }: { secret: string; close: () => void }) {
  return (
    <Dialog title="Copy the secret now" close={close}>
      <p>Requests are signed with it. This is the only time that it is shown.</p>
      <CopyLine text={secret} label="Signing secret" />
      <div class="form-actions">
        <button type="button" class="primary" onClick={close}>
          I have stored it
        </button>
      </div>
    </Dialog>
  );
}
