import { useLocation } from "preact-iso";
import { useState } from "preact/hooks";
import { post } from "../api/client";
import type { Erasure, User } from "../api/schema";
import { usePages, useResource } from "../hooks";
import { can } from "../state";
import { ConfirmBody, Field, Form, Submit } from "../ui/form";
import { Card, Dialog, Empty, Facts, ListOf, PageHead, Show, Table } from "../ui/frame";
import { Receipt } from "../ui/receipt";
import { Foreign, Time, count } from "../ui/text";
import { ExportDialog, SessionTable } from "./sessions";

/** Sessions of a user are counted up to here. */
const MAX_COUNTED = 1_000;
const sessionsOf = (user: User) => (user.sessions >= MAX_COUNTED ? `${count(MAX_COUNTED)}+` : count(user.sessions));

export function Users() {
  const { query, route } = useLocation();
  const prefix = query["prefix"] ?? "";
  const pages = usePages("/users", { query: { prefix } });
  return (
    <>
      <PageHead title="Users" lead="The people whom sessions belong to.">
        {can("data:erase") && <a href="/console/erasures">Erasures</a>}
      </PageHead>
      <Form
        class="filters"
        key={prefix}
        label="Find a user"
        submit={async (values) => route(`/console/users${values.text("prefix") ? `?prefix=${encodeURIComponent(values.text("prefix"))}` : ""}`)}
      >
        <div class="row">
          <Field name="prefix" label="Id begins with" type="search" defaultValue={prefix} />
          <Submit>Find</Submit>
        </div>
      </Form>
      <ListOf
        from={pages}
        empty={
          prefix ? (
            <Empty title="No user's id begins like this.">
              <p>
                <a href="/console/users">All users</a>
              </p>
            </Empty>
          ) : (
            <Empty title="No users yet.">
              <p>A user appears with the first session that names one, such as Agnost's user_data.user_id or Agntix' contact.</p>
            </Empty>
          )
        }
      >
        {(rows) => (
          <Table
            label="Users"
            rows={rows}
            id={(user) => user.id}
            columns={[
              {
                head: "User", roomy: true,
                cell: (user) => (
                  <a href={`/console/user?id=${encodeURIComponent(user.id)}`}>
                    <Foreign>{user.id}</Foreign>
                  </a>
                ),
              },
              { head: "Sessions", numeric: true, cell: sessionsOf },
              { head: "First seen", minor: true, cell: (user) => <Time at={user.first_seen_at} /> },
              { head: "Last seen", cell: (user) => <Time at={user.last_seen_at} /> },
            ]}
          />
        )}
      </ListOf>
    </>
  );
}

export function UserPage() {
  const { query } = useLocation();
  const id = query["id"] ?? "";
  const user = useResource("/users/{user_id}", { path: { user_id: id } });
  const sessions = usePages("/sessions", { query: { user_id: id } });
  const [dialog, setDialog] = useState<"erase" | "export" | null>(null);
  const [receipt, setReceipt] = useState<Erasure | null>(null);
  const close = () => setDialog(null);
  return (
    <>
      <PageHead title={id} lead="User">
        {can("export") && (
          <button type="button" onClick={() => setDialog("export")}>
            Export
          </button>
        )}
        {can("data:erase") && (
          <button type="button" class="danger" onClick={() => setDialog("erase")}>
            Erase
          </button>
        )}
      </PageHead>
      {user.error?.status === 404 ? (
        <Empty title="No session belongs to this user.">
          <p>
            The user never had one, or was erased. <a href="/console/users">All users</a>
          </p>
        </Empty>
      ) : (
        <>
          <Show from={user}>
            {(data) => (
              <Card>
                <Facts
                  items={[
                    ["Sessions", sessionsOf(data)],
                    ["First seen", <Time at={data.first_seen_at} full />],
                    ["Last seen", <Time at={data.last_seen_at} full />],
                  ]}
                />
              </Card>
            )}
          </Show>
          <h2>Sessions</h2>
          <ListOf from={sessions} empty={<Empty title="No sessions are left.">
                <p>
                  <a href="/console/users">All users</a>
                </p>
              </Empty>}>
            {(rows) => <SessionTable rows={rows} />}
          </ListOf>
        </>
      )}
      {dialog === "export" && <ExportDialog filters={{ user_id: id }} close={close} />}
      {dialog === "erase" && (
        <Dialog title="Erase this user?" close={close}>
          <ConfirmBody
            action="Erase for good"
            word="erase"
            cancel={close}
            submit={async () => {
              const { data } = await post("/erasures", { body: { user_id: id } });
              setReceipt(data);
              close();
            }}
          >
            <p>
              All sessions of <Foreign>{id}</Foreign> and everything derived from them are deleted, in every dialect. This
              cannot be undone. You get a receipt.
            </p>
          </ConfirmBody>
        </Dialog>
      )}
      {receipt && (
        <Receipt
          erasure={receipt}
          close={() => {
            setReceipt(null);
            user.reload();
            sessions.reload();
          }}
        />
      )}
    </>
  );
}
