import { useLocation, useRoute } from "preact-iso";
import { useState } from "preact/hooks";
import { del, patch, post } from "../api/client";
import type { Delivery, Webhook } from "../api/schema";
import { usePages, useResource, type Resource } from "../hooks";
import { attempt, notify } from "../state";
import { Check, ConfirmBody, Field, Form, FormActions, Submit, type Values } from "../ui/form";
import { Card, Dialog, Empty, Facts, ListOf, PageHead, Show, Table } from "../ui/frame";
import { Code, Tag, Time, dialectName } from "../ui/text";
import { Secret, SubscriptionChecks, WebhookState, subscription } from "./webhooks";

export function WebhookPage() {
  const { params } = useRoute();
  const id = params["id"] ?? "";
  const webhook = useResource("/webhooks/{webhook_id}", { path: { webhook_id: id } });
  return (
    <>
      {!webhook.data && <PageHead title="Webhook" />}
      <Show from={webhook}>{(data) => <Loaded key={id} webhook={data} resource={webhook} />}</Show>
    </>
  );
}

function Loaded({ webhook, resource }: { webhook: Webhook; resource: Resource<Webhook> }) {
  const { route } = useLocation();
  const [dialog, setDialog] = useState<"edit" | "rotate" | "delete" | null>(null);
  const [secret, setSecret] = useState<string | null>(null);
  const close = () => setDialog(null);
  const path = { webhook_id: webhook.id };
  const save = async (values: Values) => {
    const body = { url: values.text("url"), ...subscription(values), enabled: values.has("enabled") };
    const reply = await patch("/webhooks/{webhook_id}", { path, body, ifMatch: resource.etag });
    resource.set(reply.data, reply.etag);
    notify("The webhook has been changed.");
    close();
  };
  return (
    <>
      <PageHead title={webhook.url} lead="Webhook">
        <button type="button" onClick={() => setDialog("edit")}>
          Edit
        </button>
        <button type="button" onClick={() => setDialog("rotate")}>
          Rotate secret
        </button>
        <button type="button" class="danger" onClick={() => setDialog("delete")}>
          Delete
        </button>
      </PageHead>
      <Card>
        <Facts
          items={[
            ["State", <WebhookState webhook={webhook} />],
            ["Events", webhook.events.join(", ")],
            ["Dialects", webhook.dialects.map(dialectName).join(", ")],
            ["Old secret valid until", webhook.previous_secret_until && <Time at={webhook.previous_secret_until} full />],
            ["Created", <Time at={webhook.created_at} full />],
            ["Id", <Code>{webhook.id}</Code>],
          ]}
        />
      </Card>
      <Deliveries webhook={webhook.id} />
      {dialog === "edit" && (
        <Dialog title="Edit webhook" close={close}>
          <Form submit={save}>
            <Field name="url" label="Address" type="url" required dir="ltr" defaultValue={webhook.url} />
            <SubscriptionChecks events={webhook.events} dialects={webhook.dialects} />
            <Check name="enabled" label="On" checked={webhook.enabled} />
            <FormActions cancel={close}>
              <Submit>Save</Submit>
            </FormActions>
          </Form>
        </Dialog>
      )}
      {dialog === "rotate" && (
        <Dialog title="Rotate the secret?" close={close}>
          <ConfirmBody
            action="Rotate secret"
            cancel={close}
            submit={async () => {
              const { data } = await post("/webhooks/{webhook_id}/rotate_secret", { path, body: {} });
              setSecret(data.secret);
              resource.reload();
              close();
            }}
          >
            <p>The new secret is shown once. For a day, requests are signed with both.</p>
          </ConfirmBody>
        </Dialog>
      )}
      {dialog === "delete" && (
        <Dialog title="Delete this webhook?" close={close}>
          <ConfirmBody
            action="Delete webhook"
            cancel={close}
            submit={async () => {
              await del("/webhooks/{webhook_id}", { path, ifMatch: resource.etag });
              notify("The webhook has been deleted.");
              route("/console/webhooks");
            }}
          >
            <p>Nothing more is sent to it, and what waits to be sent is dropped.</p>
          </ConfirmBody>
        </Dialog>
      )}
      {secret && <Secret secret={secret} close={() => setSecret(null)} />}
    </>
  );
}

function tone(delivery: Delivery): "good" | "bad" | "warn" {
  if (delivery.delivered_at) return "good";
  return delivery.next_attempt_at ? "warn" : "bad";
}

function Deliveries({ webhook }: { webhook: string }) {
  const pages = usePages("/webhooks/{webhook_id}/deliveries", { path: { webhook_id: webhook } });
  const resend = (delivery: Delivery) =>
    void attempt(async () => {
      await post("/deliveries/{delivery_id}/resend", { path: { delivery_id: delivery.id } });
      pages.reload();
    }, "The delivery is sent again.");
  return (
    <Card
      title="Deliveries"
      actions={
        <button type="button" class="small ghost" onClick={pages.reload}>
          Reload
        </button>
      }
    >
      <ListOf
        from={pages}
        empty={
          <Empty title="Nothing was sent yet.">
            <p>Deliveries appear here when one of its events happens.</p>
          </Empty>
        }
      >
        {(rows) => (
          <Table
            label="Deliveries"
            rows={rows}
            id={(delivery) => delivery.id}
            columns={[
              {
                head: "Event",
                cell: (delivery) =>
                  delivery.session_id ? (
                    <a href={`/console/sessions/${delivery.session_id}`}>{delivery.event_type}</a>
                  ) : (
                    delivery.event_type
                  ),
              },
              { head: "State", cell: (delivery) => <Tag tone={tone(delivery)}>{delivery.state}</Tag> },
              { head: "Attempts", numeric: true, cell: (delivery) => delivery.attempts },
              { head: "Last status", numeric: true, cell: (delivery) => delivery.last_status ?? delivery.last_error ?? "–" },
              { head: "Queued", cell: (delivery) => <Time at={delivery.queued_at} /> },
              { head: "Next attempt", minor: true, cell: (delivery) => <Time at={delivery.next_attempt_at} /> },
              {
                head: "",
                cell: (delivery) => (
                  <button type="button" class="small" onClick={() => resend(delivery)} aria-label={`Resend ${delivery.event_type} ${delivery.id}`}>
                    Resend
                  </button>
                ),
              },
            ]}
          />
        )}
      </ListOf>
    </Card>
  );
}
