// What several pages show of a session.
import type { Connection } from "../api/stream";
import type { Session } from "../api/schema";
import { Foreign } from "./text";

/** Returns what a person calls the session: its name, or the vendor's id. */
export const nameOf = (session: Session) => session.name || session.vendor_id || session.id;

export function SessionName({ session, event }: { session: Session; event?: number | null }) {
  return (
    <a class="session-name" href={`/console/sessions/${session.id}${event ? `#event-${event}` : ""}`}>
      <Foreign>{nameOf(session)}</Foreign>
    </a>
  );
}

/** Whether changes arrive by themselves at the moment. */
export function Live({ state }: { state: Connection }) {
  const text = { connecting: "Connecting…", open: "Live", lost: "Reconnecting…" }[state];
  return (
    <span class={`live ${state}`} role="status">
      {text}
    </span>
  );
}
