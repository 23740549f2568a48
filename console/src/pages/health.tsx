import { useEffect } from "preact/hooks";
import type { JsonObject, Version } from "../api/types";
import { useResource } from "../hooks";
import { Card, Facts, PageHead, Show } from "../ui/frame";
import { plain } from "../plain";

const REFRESH_MS = 10_000;

export function Health() {
  const health = useResource<JsonObject>("/health");
  const version = useResource<Version>("/version");
  useEffect(() => {
    const timer = setInterval(() => !document.hidden && health.reload(), REFRESH_MS);
    return () => clearInterval(timer);
  }, [health.reload]);
  return (
    <>
      <PageHead title="Health" lead="Of this deployment; renewed every ten seconds." />
      <Card>
        <Show from={version}>{(data) => <Facts items={[["Version", data.version], ["API", data.api]]} />}</Show>
      </Card>
      <Card title="Service">
        <Show from={health}>{(data) => <Facts items={plain(data)} wide />}</Show>
      </Card>
    </>
  );
}
