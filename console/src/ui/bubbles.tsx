// A conversation as people read it: bubbles, with tool calls folded.
import { useEffect, useRef } from "preact/hooks";
import type { Event as SessionEvent, ReaderMessage } from "../api/schema";
import { Foreign, JsonView, Time } from "./text";

const ROLE_NAMES = { user: "User", assistant: "Assistant", system: "System", tool: "Tool" };

export function Bubbles({ events }: { events: SessionEvent[] }) {
  const end = useRef<HTMLDivElement>(null);
  const last = events.at(-1)?.number;
  const known = useRef<number | undefined>(undefined);
  const first = events[0]?.number ?? 0;
  // The event that a link names is shown as soon as it is there.
  useEffect(() => {
    const wanted = wantedEvent();
    if (wanted !== undefined && wanted >= first) document.getElementById(`event-${wanted}`)?.scrollIntoView({ block: "center" });
  }, [first]);
  // Follows a live conversation, but only for a reader who is at its end.
  useEffect(() => {
    const box = end.current;
    if (box && known.current !== undefined && last !== known.current && box.getBoundingClientRect().top < innerHeight + 400) {
      box.scrollIntoView({ block: "end" });
    }
    known.current = last;
  }, [last]);
  return (
    <>
      <div role="log" aria-label="Conversation" aria-live="polite" aria-relevant="additions">
        <ol class="bubbles">
          {events.map((event) => (
            <EventItem key={event.number} event={event} />
          ))}
        </ol>
      </div>
      <div ref={end} id="end" />
    </>
  );
}

/** Returns the number of the event that the address names. */
export function wantedEvent(): number | undefined {
  const number = /^#event-(\d+)$/.exec(location.hash)?.[1];
  return number === undefined ? undefined : Number(number);
}

function EventItem({ event }: { event: SessionEvent }) {
  return (
    <li
      id={`event-${event.number}`}
      class={`event ${event.hidden ? "concealed" : ""} ${wantedEvent() === event.number ? "wanted" : ""}`}
    >
      {event.messages.length > 0 ? (
        event.messages.map((message) => <Bubble message={message} />)
      ) : (
        <div class="bubble system">
          <p class="who">{event.kind}</p>
          {event.content && <Foreign lines>{event.content}</Foreign>}
        </div>
      )}
      <details class="raw">
        <summary>
          <span class="number">#{event.number}</span> <Time at={event.created_at} />
          {event.hidden && <span class="tag">hidden</span>}
          <span class="hidden"> Raw event</span>
        </summary>
        <JsonView value={event} label={`Event ${event.number} as JSON`} />
      </details>
    </li>
  );
}

function Bubble({ message }: { message: ReaderMessage }) {
  const role = ROLE_NAMES[message.role] ? message.role : "system";
  return (
    <div class={`bubble ${role}`}>
      <p class="who">{ROLE_NAMES[role]}</p>
      {message.text && <Foreign lines>{message.text}</Foreign>}
      {message.tool && (
        <details class="tool">
          <summary>
            Tool call{message.tool.name && ": "}
            <Foreign>{message.tool.name}</Foreign>
          </summary>
          <h3>Input</h3>
          <JsonView value={message.tool.input} label={`Input of ${message.tool.name ?? "the tool"}`} />
          <h3>Output</h3>
          <JsonView value={message.tool.output} label={`Output of ${message.tool.name ?? "the tool"}`} />
        </details>
      )}
    </div>
  );
}
