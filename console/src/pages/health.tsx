import { useEffect } from "preact/hooks";
import { useResource } from "../hooks";
import { Card, Facts, PageHead, Show } from "../ui/frame";
import { Time, count } from "../ui/text";

const REFRESH_MS = 10_000;
/** Deliveries that are due are counted up to here. */
const MAX_DUE = 10_000;

export function Health() {
  const health = useResource("/health");
  useEffect(() => {
    const timer = setInterval(() => !document.hidden && health.reload(), REFRESH_MS);
    return () => clearInterval(timer);
  }, [health.reload]);
  return (
    <>
      <PageHead title="Health" lead="Of the replica that responds, and of what all replicas share; renewed every ten seconds." />
      <Show from={health}>
        {(data) => (
          <div class="columns even">
            <Card title="This replica">
              <Facts
                items={[
                  ["Version", data.version],
                  ["Started", <Time at={data.started_at} full />],
                  ["Database connections", `${count(data.connections.open)} open, ${count(data.connections.idle)} of them idle`],
                  ["Waiting to be written", `${count(data.queued_bytes)} bytes`],
                ]}
              />
            </Card>
            <Card title="All replicas">
              <Facts
                items={[
                  ["Newest migration", data.newest_migration],
                  ["Deliveries that are due", data.deliveries.due >= MAX_DUE ? `${count(MAX_DUE)} or more` : count(data.deliveries.due)],
                  ["The oldest since", <Time at={data.deliveries.oldest_due_at} full />],
                ]}
              />
            </Card>
          </div>
        )}
      </Show>
    </>
  );
}
