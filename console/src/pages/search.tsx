import { useLocation } from "preact-iso";
import { usePages } from "../hooks";
import { Empty, ListOf, PageHead } from "../ui/frame";
import { SessionName } from "../ui/session";
import { DialectTag, Time } from "../ui/text";

export function Search() {
  const { query } = useLocation();
  const q = query["q"]?.trim() ?? "";
  const pages = usePages(q ? "/search" : null, { query: { q } });
  return (
    <>
      <PageHead title={q ? `Search: ${q}` : "Search"} />
      {q === "" ? (
        <Empty title="Nothing to search for.">
          <p>Enter words into the box at the top. Names, metadata and messages of all dialects are searched.</p>
        </Empty>
      ) : (
        <ListOf
          from={pages}
          empty={
            <Empty title="Nothing found.">
              <p>Try fewer or other words, or filter the list of sessions.</p>
              <p>
                <a href="/console/sessions">All sessions</a>
              </p>
            </Empty>
          }
        >
          {(hits) => (
            <ul class="hits">
              {hits.map((hit) => (
                <li key={`${hit.session.id} ${hit.event_number}`}>
                  <p>
                    <SessionName session={hit.session} event={hit.event_number ?? null} />
                    <span class="end">
                      <DialectTag dialect={hit.session.dialect} />
                      {hit.event_number != null && <span class="quiet">#{hit.event_number}</span>}
                      <Time at={hit.session.created_at} />
                    </span>
                  </p>
                  <p class="snippet" dir="auto">
                    <Marked text={hit.snippet} q={q} />
                  </p>
                </li>
              ))}
            </ul>
          )}
        </ListOf>
      )}
    </>
  );
}

/** The text with the words of the search marked. */
function Marked({ text, q }: { text: string; q: string }) {
  const words = q.split(/\s+/).filter(Boolean).map((word) => word.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  const parts = text.split(new RegExp(`(${words.join("|")})`, "giu"));
  return <>{parts.map((part, index) => (index % 2 === 1 ? <mark>{part}</mark> : part))}</>;
}
