// Live tails by EventSource, opened again after every kind of interruption.
import { useEffect, useRef } from "preact/hooks";
import { useSignal, type Signal } from "@preact/signals";
import { get } from "./client";

export type Connection = "connecting" | "open" | "lost";

const FIRST_DELAY = 500;
const MAX_DELAY = 10_000;

/**
 * Follows a stream while the component is shown. `resync` is called whenever the stream has been opened, because what
 * happened before that is not in it. The returned signal says whether changes arrive at the moment.
 */
export function useStream(
  address: string | null,
  names: readonly string[],
  receive: (name: string, data: unknown) => void,
  resync: () => void,
): Signal<Connection> {
  const state = useSignal<Connection>("connecting");
  const handlers = useRef({ receive, resync });
  handlers.current = { receive, resync };

  useEffect(() => {
    if (address === null) return;
    let source: EventSource | undefined;
    let timer: ReturnType<typeof setTimeout> | undefined;
    let delay = FIRST_DELAY;
    const listen = (event: Event) => {
      try {
        handlers.current.receive(event.type, JSON.parse((event as MessageEvent<string>).data));
      } catch {
        handlers.current.resync();
      }
    };
    const open = () => {
      source = new EventSource(address);
      source.onopen = () => {
        delay = FIRST_DELAY;
        state.value = "open";
        handlers.current.resync();
      };
      source.onerror = () => {
        state.value = "lost";
        if (source?.readyState !== EventSource.CLOSED) return;
        // An EventSource has no status. A request that every credential may send finds a 401.
        get("/me").catch(() => {});
        timer = setTimeout(open, delay);
        delay = Math.min(delay * 2, MAX_DELAY);
      };
      for (const name of names) source.addEventListener(name, listen);
      // Something may be missing after a long break.
      source.addEventListener("gap", () => handlers.current.resync());
    };
    const close = () => {
      clearTimeout(timer);
      source?.close();
    };
    // Hidden tabs close their connection, because over HTTP/1.1 a browser has six of them for all tabs.
    const visibility = () => {
      close();
      if (document.hidden) state.value = "connecting";
      else open();
    };
    if (!document.hidden) open();
    document.addEventListener("visibilitychange", visibility);
    return () => {
      document.removeEventListener("visibilitychange", visibility);
      close();
    };
  }, [address]);
  return state;
}
