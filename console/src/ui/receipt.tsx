import type { Erasure } from "../api/schema";
import { Dialog, Facts } from "./frame";
import { Code, CopyLine, Tag } from "./text";

export function ErasureState({ state }: { state: Erasure["state"] }) {
  return <Tag tone={state === "done" ? "good" : "warn"}>{state}</Tag>;
}

/** The receipt of an erasure; its proof is shown this once. */
export function Receipt({ erasure, close }: { erasure: Erasure; close: () => void }) {
  return (
    <Dialog title="Erasure begun" close={close}>
      <p>
        The data is being deleted. The <a href="/console/erasures">list of erasures</a> shows when that is done.
      </p>
      <Facts
        items={[
          ["Receipt", <Code>{erasure.id}</Code>],
          ["State", <ErasureState state={erasure.state} />],
        ]}
      />
      {erasure.proof && (
        <>
          <p>Store this proof now; it is shown only once. With it you can show later which data the receipt is about.</p>
          <CopyLine text={erasure.proof} label="Proof" />
        </>
      )}
      <div class="form-actions">
        <button type="button" class="primary" onClick={close}>
          Done
        </button>
      </div>
    </Dialog>
  );
}
