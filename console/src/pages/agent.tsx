import { useLocation, useRoute } from "preact-iso";
import { useState } from "preact/hooks";
import { del, patch, post } from "../api/client";
import type { Agent, Role } from "../api/schema";
import { useResource, type Resource } from "../hooks";
import { can, notify } from "../state";
import { Check, ConfirmBody, Field, Form, FormActions, Submit, TextArea, type Values } from "../ui/form";
import { Card, Dialog, Empty, Facts, PageHead, Show } from "../ui/frame";
import { ResponderFields, ResponderText, isSame, readResponder } from "../ui/responder";
import { Code, Foreign, Time } from "../ui/text";

export function AgentPage() {
  const { params } = useRoute();
  const id = params["id"] ?? "";
  const agent = useResource("/agents/{agent_id}", { path: { agent_id: id } });
  return (
    <>
      {!agent.data && <PageHead title="Agent" />}
      <Show from={agent}>{(data) => <Loaded key={id} agent={data} resource={agent} />}</Show>
    </>
  );
}

function Loaded({ agent, resource }: { agent: Agent; resource: Resource<Agent> }) {
  const { route } = useLocation();
  const [deleting, setDeleting] = useState(false);
  const writes = can("agents:write");
  return (
    <>
      <PageHead title={agent.name || agent.key} lead="Agent">
        <a class="button" href={`/console/sessions?agent_id=${encodeURIComponent(agent.id)}`}>
          Sessions
        </a>
        {writes && (
          <button type="button" class="danger" onClick={() => setDeleting(true)}>
            Delete
          </button>
        )}
      </PageHead>
      <div class="columns even">
        <div>
          <Card title="Names">
            <Facts
              items={[
                ["Key", <Code>{agent.key}</Code>],
                ["Number", <Code>{agent.number}</Code>],
                ["Id", <Code>{agent.id}</Code>],
                ["Created", <Time at={agent.created_at} full />],
                ["Updated", <Time at={agent.updated_at} full />],
              ]}
            />
          </Card>
          <Card title="Settings">
            {writes ? (
              <Edit key={agent.updated_at} agent={agent} resource={resource} />
            ) : (
              <Facts
                items={[
                  ["Description", agent.description && <Foreign lines>{agent.description}</Foreign>],
                  ["Responder", <ResponderText responder={agent.responder} />],
                ]}
              />
            )}
          </Card>
        </div>
        <Playground agent={agent} />
      </div>
      {deleting && (
        <Dialog title="Delete this agent?" close={() => setDeleting(false)}>
          <ConfirmBody
            action="Delete agent"
            cancel={() => setDeleting(false)}
            submit={async () => {
              await del("/agents/{agent_id}", { path: { agent_id: agent.id }, ifMatch: resource.etag });
              notify("The agent has been deleted.");
              route("/console/agents");
            }}
          >
            <p>
              Clients can no longer begin sessions with <Foreign>{agent.name || agent.key}</Foreign>.
            </p>
          </ConfirmBody>
        </Dialog>
      )}
    </>
  );
}

function Edit({ agent, resource }: { agent: Agent; resource: Resource<Agent> }) {
  const submit = async (values: Values) => {
    const responder = readResponder(values);
    const before = agent.responder?.is_default ? null : agent.responder;
    const body = {
      name: values.text("name"),
      description: values.optional("description"),
      // Addresses are shown without their query, so that an unchanged responder must not be sent back.
      ...(!isSame(before, responder) && { responder }),
      enabled: values.has("enabled"),
    };
    const reply = await patch("/agents/{agent_id}", { path: { agent_id: agent.id }, body, ifMatch: resource.etag });
    resource.set(reply.data, reply.etag);
    notify("The agent has been changed.");
  };
  return (
    <Form submit={submit} label="Settings of the agent">
      <Field name="name" label="Name" required defaultValue={agent.name} />
      <TextArea name="description" label="Description" rows={2} defaultValue={agent.description ?? ""} />
      <ResponderFields responder={agent.responder} inherit />
      <Check name="enabled" label="Enabled" checked={agent.enabled} />
      <FormActions>
        <Submit>Save</Submit>
      </FormActions>
    </Form>
  );
}

interface Line {
  role: Role;
  text: string;
}

/** Talks to the agent's responder; nothing of it is stored. */
function Playground({ agent }: { agent: Agent }) {
  const [lines, setLines] = useState<Line[]>([]);
  const [round, setRound] = useState(0);
  const submit = async (values: Values) => {
    const messages = [...lines, { role: "user" as const, text: values.text("text") }];
    const { data } = await post("/agents/{agent_id}/replies", { path: { agent_id: agent.id }, body: { messages } });
    setLines([...messages, { role: "assistant", text: data.text }]);
    setRound(round + 1);
  };
  return (
    <Card
      title="Playground"
      actions={
        lines.length > 0 && (
          <button type="button" class="small ghost" onClick={() => setLines([])}>
            Start over
          </button>
        )
      }
    >
      {lines.length === 0 && (
        <Empty title="Talk to the agent.">
          <p>Its responder replies as it would to a client. Nothing is stored.</p>
        </Empty>
      )}
      <div role="log" aria-label="Playground conversation" aria-live="polite">
      <ol class="bubbles">
        {lines.map((line) => (
          <li>
            <div class={`bubble ${line.role}`}>
              <p class="who">{line.role === "user" ? "You" : "Agent"}</p>
              <Foreign lines>{line.text}</Foreign>
            </div>
          </li>
        ))}
      </ol>
      </div>
      <Form submit={submit} label="Playground" key={round}>
        <TextArea name="text" label="Message" rows={2} required />
        <FormActions>
          <Submit>Send</Submit>
        </FormActions>
      </Form>
    </Card>
  );
}
