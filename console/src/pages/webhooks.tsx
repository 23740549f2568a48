import { useState } from "preact/hooks";
import { idempotencyKey, post, segment } from "../api/client";
import type { Webhook, WebhookWithSecret } from "../api/schema";
import { WEBHOOK_EVENTS } from "../api/words";
import { usePages } from "../hooks";
import { Check, Field, Form, FormActions, Submit, type Values } from "../ui/form";
import { Dialog, Empty, ListOf, PageHead, Table } from "../ui/frame";
import { CopyLine, Foreign, Tag, Time } from "../ui/text";

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

export function EventChecks({ chosen }: { chosen: readonly string[] }) {
  return (
    <fieldset>
      <legend>Events</legend>
      <div class="checks">
        {WEBHOOK_EVENTS.map((event) => (
          <Check name="events" value={event} label={<code>{event}</code>} checked={chosen.includes(event)} />
        ))}
      </div>
    </fieldset>
  );
}

function Create({ close, done }: { close: () => void; done: (webhook: WebhookWithSecret) => void }) {
  const [once] = useState(idempotencyKey);
  const submit = async (values: Values) => {
    const events = values.all("events");
    if (events.length === 0) throw new Error("Choose at least one event.");
    const body = { url: values.text("url"), events };
    done((await post("/webhooks", { body, idempotencyKey: once })).data);
  };
  return (
    <Dialog title="New webhook" close={close}>
      <Form submit={submit}>
        <Field name="url" label="Address" type="url" required dir="ltr" placeholder="https://example.com/hooks/sessionary" />
        <EventChecks chosen={WEBHOOK_EVENTS} />
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
