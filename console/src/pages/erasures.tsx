import { usePages } from "../hooks";
import { Empty, ListOf, PageHead, Table } from "../ui/frame";
import { ErasureState } from "../ui/receipt";
import { Code, Time, count } from "../ui/text";

export function Erasures() {
  const pages = usePages("/erasures");
  return (
    <>
      <PageHead title="Erasures" lead="Each is recorded without the data that it erased." />
      <ListOf
        from={pages}
        empty={
          <Empty title="Nothing has been erased.">
            <p>
              Open a <a href="/console/users">user</a> or a <a href="/console/sessions">session</a> to erase it.
            </p>
          </Empty>
        }
      >
        {(rows) => (
          <Table
            label="Erasures"
            rows={rows}
            id={(erasure) => erasure.id}
            columns={[
              { head: "Receipt", cell: (erasure) => <Code>{erasure.id}</Code> },
              { head: "Of a", cell: (erasure) => (erasure.dialect ? `${erasure.subject} (${erasure.dialect})` : erasure.subject) },
              { head: "State", cell: (erasure) => <ErasureState state={erasure.state} /> },
              {
                head: "Rows deleted",
                numeric: true,
                cell: (erasure) => count(Object.values(erasure.deleted ?? {}).reduce((total, n) => total + n, 0)),
              },
              { head: "Requested", cell: (erasure) => <Time at={erasure.requested_at} /> },
              { head: "Finished", cell: (erasure) => <Time at={erasure.finished_at} /> },
            ]}
          />
        )}
      </ListOf>
    </>
  );
}
