import { useLocation, useRoute } from "preact-iso";
import { useEffect, useMemo, useState } from "preact/hooks";
import { del, get, idempotencyKey, patch, post, segment } from "../api/client";
import type { Erasure, SingleSession } from "../api/schema";
import { allEvents, useConversation } from "../conversation";
import { useResource, type Resource } from "../hooks";
import { attempt, can, notify } from "../state";
import { ConfirmBody, Field, Form, FormActions, Submit, TextArea, type Values } from "../ui/form";
import { Bubbles, wantedEvent } from "../ui/bubbles";
import { Card, Dialog, Empty, Facts, Failure, Loading, PageHead, Show } from "../ui/frame";
import { Receipt } from "../ui/receipt";
import { Live, nameOf } from "../ui/session";
import { plain } from "../plain";
import { Code, CopyLine, DialectTag, Foreign, JsonView, StateTag, Time, dialectName } from "../ui/text";

export function SessionPage() {
  const { params } = useRoute();
  const id = params["id"] ?? "";
  const session = useResource("/sessions/{session_id}", { path: { session_id: id } });
  const [receipt, setReceipt] = useState<Erasure | null>(null);
  const [erased, setErased] = useState<string | null>(null);
  return (
    <>
      {(!session.data || erased === id) && <PageHead title="Session" />}
      {erased === id ? (
        <Empty title="This session is being erased.">
          <p>
            <a href="/console/erasures">Erasures</a>, <a href="/console/sessions">all sessions</a>
          </p>
        </Empty>
      ) : (
        <Show from={session}>
          {(data) => (
            <Loaded
              key={id}
              session={data}
              resource={session}
              erased={(erasure) => {
                setReceipt(erasure);
                setErased(id);
              }}
            />
          )}
        </Show>
      )}
      {receipt && <Receipt erasure={receipt} close={() => setReceipt(null)} />}
    </>
  );
}

/** Sessions of these dialects can be ended, and those of the other two by deleting them. Captured ones do neither. */
const ENDING: readonly string[] = ["agntix", "integer_id"];
const DELETED_TO_END: readonly string[] = ["agent_key", "messaging"];

function Loaded({ session, resource, erased }: {
  session: SingleSession;
  resource: Resource<SingleSession>;
  erased: (receipt: Erasure) => void;
}) {
  const { route } = useLocation();
  const [dialog, setDialog] = useState<"end" | "delete" | "edit" | "erase" | null>(null);
  const close = () => setDialog(null);
  const reads = can("events:read");
  return (
    <>
      <PageHead title={nameOf(session)}>
        {can("sessions:write") && (
          <button type="button" onClick={() => setDialog("edit")}>
            Edit
          </button>
        )}
        {can("sessions:write") && DELETED_TO_END.includes(session.dialect) && (
          <button type="button" onClick={() => setDialog("delete")}>
            Delete
          </button>
        )}
        {can("sessions:write") && ENDING.includes(session.dialect) && session.state === "open" && (
          <button type="button" onClick={() => setDialog("end")}>
            End
          </button>
        )}
        {can("export") && reads && (
          <button type="button" onClick={() => void attempt(() => download(session.id), "The session has been exported.")}>
            Export
          </button>
        )}
        {can("data:erase") && (
          <button type="button" class="danger" onClick={() => setDialog("erase")}>
            Erase
          </button>
        )}
      </PageHead>
      <div class="columns session">
        {reads ? (
          <Talk id={session.id} changed={resource.reload} open={session.state === "open"} />
        ) : (
          <Empty title="This credential may not read events.">
            <p>Log in with a key that has the scope events:read to see the conversation.</p>
          </Empty>
        )}
        <Details session={session} />
      </div>
      {dialog === "edit" && <Edit session={session} resource={resource} close={close} />}
      {dialog === "end" && (
        <Dialog title="End this session?" close={close}>
          <ConfirmBody
            action="End session"
            cancel={close}
            submit={async () => {
              await post("/sessions/{session_id}/end", { path: { session_id: session.id }, body: {} });
              resource.reload();
              notify("The session has ended.");
              close();
            }}
          >
            <p>No more messages can be added to it. It stays readable.</p>
          </ConfirmBody>
        </Dialog>
      )}
      {dialog === "delete" && (
        <Dialog title="Delete this session?" close={close}>
          <ConfirmBody
            action="Delete session"
            cancel={close}
            submit={async () => {
              await del("/sessions/{session_id}", { path: { session_id: session.id }, ifMatch: resource.etag });
              notify("The session has been deleted.");
              route("/console/sessions");
            }}
          >
            <p>In this dialect a session ends by being deleted, together with its messages. This cannot be undone.</p>
          </ConfirmBody>
        </Dialog>
      )}
      {dialog === "erase" && (
        <Dialog title="Erase this session?" close={close}>
          <ConfirmBody
            action="Erase for good"
            word="erase"
            cancel={close}
            submit={async () => {
              const { data } = await post("/erasures", { body: { session_id: session.id } });
              erased(data);
              close();
            }}
          >
            <p>The session, all of its events and everything derived from them are deleted. This cannot be undone.</p>
          </ConfirmBody>
        </Dialog>
      )}
    </>
  );
}

function Talk({ id, changed, open }: { id: string; changed: () => void; open: boolean }) {
  const talk = useConversation(id, changed);
  const first = talk.events?.[0]?.number ?? 0;
  useEffect(() => {
    const wanted = wantedEvent();
    if (wanted !== undefined && wanted < first && talk.earlier && !talk.loading) talk.loadEarlier();
  }, [first, talk.loading]);
  return (
    <Card
      title="Conversation"
      wide
      actions={
        <span class="end">
          {(talk.events?.length ?? 0) > 10 && <a href="#end">Jump to the end</a>}
          <Live state={talk.live} />
        </span>
      }
    >
      {talk.events === null && (talk.error ? <Failure error={talk.error} retry={talk.reload} /> : <Loading />)}
      {talk.events && talk.earlier && (
        <p class="more">
          <button type="button" onClick={talk.loadEarlier} disabled={talk.loading}>
            Load earlier events
          </button>
        </p>
      )}
      {talk.events?.length === 0 && (
        <Empty title="No messages yet.">
          <p>{open ? "They appear here as they are added." : "None were added before it ended."}</p>
        </Empty>
      )}
      {talk.events && talk.events.length > 0 && <Bubbles events={talk.events} />}
      {talk.events && talk.error && <Failure error={talk.error} retry={talk.reload} />}
      {open && can("events:write") && <Append id={id} />}
    </Card>
  );
}

function Append({ id }: { id: string }) {
  const [round, setRound] = useState(0);
  const once = useMemo(idempotencyKey, [round]);
  const submit = async (values: Values) => {
    const body = { role: values.text("role"), text: values.text("text") };
    await post("/sessions/{session_id}/events", { path: { session_id: id }, body, idempotencyKey: once });
    setRound(round + 1);
  };
  return (
    <details class="append">
      <summary>Add a message</summary>
      <Form key={round} submit={submit} label="Add a message">
        <TextArea name="text" label="Text" required rows={2} />
        <FormActions>
          <select name="role" aria-label="Role">
            <option value="user">as user</option>
            <option value="assistant">as assistant</option>
          </select>
          <Submit>Add</Submit>
        </FormActions>
      </Form>
    </details>
  );
}

/** Returns a text as one word of a POSIX shell. */
const quote = (text: string) => `'${text.replaceAll("'", `'\\''`)}'`;

/** Returns the line that reads a session as its vendor's clients do. */
function curlOf({ dialect, vendor_id, vendor_path, id }: SingleSession): string {
  const key = 'curl -H "x-api-key: $SESSIONARY_KEY"';
  if (vendor_path) return `${key} ${quote(location.origin + vendor_path)}`;
  // The dashboard of Agnost reads by POST.
  if (dialect === "agnost") {
    const body = JSON.stringify({ conversation_id: vendor_id });
    return `${key} -H "content-type: application/json" -d ${quote(body)} ${quote(`${location.origin}/dashboard/api/conversation-messages`)}`;
  }
  return `${key} ${quote(`${location.origin}/sessionary/v1/sessions/${id}`)}`;
}

function Details({ session }: { session: SingleSession }) {
  const dialectFacts = plain(session.dialect_data);
  return (
    <div class="details">
      <Card title="About">
        <Facts
          items={[
            ["State", <><StateTag state={session.state} /> {!session.enabled && <span class="tag warn">disabled</span>}</>],
            ["Dialect", <DialectTag dialect={session.dialect} />],
            ["Id", <Code>{session.id}</Code>],
            ["Vendor's id", <Code>{session.vendor_id}</Code>],
            ["Description", session.description && <Foreign lines>{session.description}</Foreign>],
            ["User", session.user_id && (
              <a href={`/console/user?id=${encodeURIComponent(session.user_id)}`}>
                <Foreign>{session.user_id}</Foreign>
              </a>
            )],
            ["Agent", session.agent_id && (can("agents:read")
              ? <a href={`/console/agents/${segment(session.agent_id)}`}><Code>{session.agent_id}</Code></a>
              : <Code>{session.agent_id}</Code>)],
            ["Kind", session.kind && <Foreign>{session.kind}</Foreign>],
            ["Created", <Time at={session.created_at} full />],
            ["Updated", <Time at={session.updated_at} full />],
            [session.state === "expired" ? "Expired" : "Expires", session.expires_at ? <Time at={session.expires_at} full /> : "Never"],
            ["Ended", session.ended_at && <Time at={session.ended_at} full />],
            ["Events", session.last_event_number],
          ]}
        />
      </Card>
      <Card title="Read it with curl">
        <CopyLine text={curlOf(session)} label="curl line" />
      </Card>
      <Card title="Metadata">
        {session.metadata && Object.keys(session.metadata).length > 0 ? (
          <JsonView value={session.metadata} label="Metadata as JSON" />
        ) : (
          <p class="quiet">No metadata.</p>
        )}
      </Card>
      {dialectFacts.length > 0 && (
        <Card title={`Only in ${dialectName(session.dialect)}`}>
          <Facts items={dialectFacts} />
        </Card>
      )}
      <details>
        <summary>Raw session</summary>
        <JsonView value={session} label="Session as JSON" />
      </details>
    </div>
  );
}

function Edit({ session, resource, close }: {
  session: SingleSession;
  resource: Resource<SingleSession>;
  close: () => void }) {
  const submit = async (values: Values) => {
    const text = values.text("metadata");
    let metadata: Record<string, unknown> | null = null;
    try {
      if (text) metadata = JSON.parse(text);
    } catch {
      throw new Error("The metadata is not valid JSON.");
    }
    const body = { name: values.optional("name"), description: values.optional("description"), metadata };
    const reply = await patch("/sessions/{session_id}", { path: { session_id: session.id }, body, ifMatch: resource.etag });
    resource.set(reply.data, reply.etag);
    notify("The session has been changed.");
    close();
  };
  return (
    <Dialog title="Edit session" close={close}>
      <Form submit={submit}>
        <Field name="name" label="Name" defaultValue={session.name ?? ""} />
        <TextArea name="description" label="Description" rows={2} defaultValue={session.description ?? ""} />
        <TextArea
          name="metadata"
          label="Metadata"
          hint="A JSON object; empty for none."
          dir="ltr"
          class="mono"
          rows={8}
          spellcheck={false}
          defaultValue={session.metadata ? JSON.stringify(session.metadata, null, 2) : ""}
        />
        <FormActions cancel={close}>
          <Submit>Save</Submit>
        </FormActions>
      </Form>
    </Dialog>
  );
}

async function download(id: string): Promise<void> {
  const { data: session } = await get("/sessions/{session_id}", { path: { session_id: id } });
  const whole = { session, events: await allEvents(id) };
  save(`${id}.json`, JSON.stringify(whole, null, 2), "application/json");
}

export function save(name: string, text: string, type: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
