import { useLocation } from "preact-iso";
import { useState } from "preact/hooks";
import { idempotencyKey, post, segment } from "../api/client";
import { usePages } from "../hooks";
import { can, notify } from "../state";
import { Field, Form, FormActions, Submit, TextArea, type Values } from "../ui/form";
import { Dialog, Empty, ListOf, PageHead, Table } from "../ui/frame";
import { ResponderFields, ResponderText, readResponder } from "../ui/responder";
import { Code, Foreign, Tag, Time } from "../ui/text";

export function Agents() {
  const pages = usePages("/agents");
  const [creating, setCreating] = useState(false);
  const create = can("agents:write") && (
    <button type="button" class="primary" onClick={() => setCreating(true)}>
      New agent
    </button>
  );
  return (
    <>
      <PageHead title="Agents" lead="The other side of every session.">
        {create}
      </PageHead>
      <ListOf
        from={pages}
        empty={
          <Empty title="No agents yet.">
            <p>Some dialects create an agent with its first session. You can also create one and choose what replies.</p>
            {create}
          </Empty>
        }
      >
        {(rows) => (
          <Table
            label="Agents"
            rows={rows}
            id={(agent) => agent.id}
            columns={[
              {
                head: "Agent", roomy: true,
                cell: (agent) => (
                  <a href={`/console/agents/${segment(agent.id)}`}>
                    <Foreign>{agent.name || agent.key}</Foreign>
                  </a>
                ),
              },
              { head: "Key", cell: (agent) => <Code>{agent.key}</Code> },
              { head: "Number", minor: true, numeric: true, cell: (agent) => agent.number },
              { head: "Responder", cell: (agent) => <ResponderText responder={agent.responder} /> },
              { head: "State", cell: (agent) => (agent.enabled ? <Tag tone="good">enabled</Tag> : <Tag>disabled</Tag>) },
              { head: "Updated", minor: true, cell: (agent) => <Time at={agent.updated_at} /> },
            ]}
          />
        )}
      </ListOf>
      {creating && <Create close={() => setCreating(false)} />}
    </>
  );
}

function Create({ close }: { close: () => void }) {
  const { route } = useLocation();
  const [once] = useState(idempotencyKey);
  const submit = async (values: Values) => {
    const body = {
      key: values.text("key"),
      name: values.text("name"),
      ...(values.text("description") && { description: values.text("description") }),
      ...(values.text("kind") && { responder: readResponder(values) }),
    };
    const { data } = await post("/agents", { body, idempotencyKey: once });
    notify("The agent has been created.");
    route(`/console/agents/${segment(data.id)}`);
  };
  return (
    <Dialog title="New agent" close={close}>
      <Form submit={submit}>
        <Field name="name" label="Name" required />
        <Field name="key" label="Key" required dir="ltr" spellcheck={false} hint="How clients name it in paths, such as customer_support." />
        <TextArea name="description" label="Description" rows={2} />
        <ResponderFields responder={null} inherit />
        <FormActions cancel={close}>
          <Submit>Create</Submit>
        </FormActions>
      </Form>
    </Dialog>
  );
}
