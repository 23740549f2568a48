// Parts of pages: headings, states of loading, lists, dialogs.
import type { ComponentChildren, TargetedEvent } from "preact";
import { useId, useLayoutEffect, useRef } from "preact/hooks";
import type { ApiError } from "../api/client";
import type { Pages, Resource } from "../hooks";
import { useTitle } from "../hooks";

export function PageHead({ title, lead, children }: { title: string; lead?: string; children?: ComponentChildren }) {
  useTitle(title);
  return (
    <header class="page-head">
      <div>
        <h1 dir="auto" title={title.length > 80 ? title : undefined}>
          {title}
        </h1>
        {lead && <p class="lead">{lead}</p>}
      </div>
      {children && <div class="actions">{children}</div>}
    </header>
  );
}

export function Card({ title, children, actions, wide }: {
  title?: string;
  children: ComponentChildren;
  actions?: ComponentChildren;
  wide?: boolean;
}) {
  const id = useId();
  return (
    <section class={`card ${wide ? "wide" : ""}`} aria-labelledby={title ? id : undefined}>
      {title && (
        <header>
          <h2 id={id}>{title}</h2>
          {actions}
        </header>
      )}
      {children}
    </section>
  );
}

export function Loading() {
  return (
    <div class="loading" role="status">
      <span class="spinner" aria-hidden="true" />
      Loading…
    </div>
  );
}

export function Failure({ error, retry }: { error: ApiError; retry: () => void }) {
  return (
    <div class="failure" role="alert">
      <p>
        <strong>{error.status === 404 ? "This does not exist." : "This could not be loaded."}</strong> {error.message}
        {error.isTransient && " Trying again…"}
      </p>
      {error.problem.request_id && <p class="quiet">Request id: {error.problem.request_id}</p>}
      <button type="button" onClick={retry}>
        Try again
      </button>
    </div>
  );
}

export function Empty({ title, children }: { title: string; children?: ComponentChildren }) {
  return (
    <div class="empty">
      <p>
        <strong>{title}</strong>
      </p>
      {children}
    </div>
  );
}

/** Shows one object, or why it is not there yet. */
export function Show<T>({ from, children }: { from: Resource<T>; children: (data: T) => ComponentChildren }) {
  if (from.data !== null) {
    return (
      <>
        {from.error && <Failure error={from.error} retry={from.reload} />}
        {children(from.data)}
      </>
    );
  }
  return from.error ? <Failure error={from.error} retry={from.reload} /> : <Loading />;
}

/** Shows a list page by page, or why it is not there yet, or what to do when it is empty. */
export function ListOf<T>({ from, empty, children }: {
  from: Pages<T>;
  empty: ComponentChildren;
  children: (rows: T[]) => ComponentChildren;
}) {
  const { rows, error, loading, more, loadMore, reload } = from;
  if (rows === null) return error ? <Failure error={error} retry={reload} /> : <Loading />;
  return (
    <>
      {rows.length > 0 ? children(rows) : !more && empty}
      {error && <Failure error={error} retry={loadMore} />}
      {more && !error && (
        <p class="more">
          {rows.length === 0 && <span>Nothing found so far; the list goes on. </span>}
          <button type="button" onClick={loadMore} disabled={loading} aria-busy={loading}>
            {loading ? "Loading…" : rows.length === 0 ? "Continue searching" : "Load more"}
          </button>
        </p>
      )}
    </>
  );
}

export interface Column<T> {
  head: string;
  /** Left out where there is little room. */
  minor?: boolean;
  /** Long words, such as addresses, have room before they are broken. */
  roomy?: boolean;
  /** Numbers are aligned to the right. */
  numeric?: boolean;
  cell: (row: T) => ComponentChildren;
}

function classOf<T>(column: Column<T>): string | undefined {
  return [column.numeric && "numeric", column.minor && "minor", column.roomy && "roomy"].filter(Boolean).join(" ") || undefined;
}

/** A table that becomes a list of labelled values at phone width. */
export function Table<T>({ label, rows, columns, id }: {
  label: string;
  rows: T[];
  columns: Column<T>[];
  id: (row: T) => string | number;
}) {
  return (
    <table class="list">
      <caption class="hidden">{label}</caption>
      <thead>
        <tr>
          {columns.map((column) => (
            <th scope="col" class={classOf(column)}>
              {column.head || <span class="hidden">Actions</span>}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {rows.map((row) => (
          <tr key={id(row)}>
            {columns.map((column) => (
              <td class={classOf(column)} data-head={column.head}>
                {column.cell(row)}
              </td>
            ))}
          </tr>
        ))}
      </tbody>
    </table>
  );
}

export function Facts({ items, wide }: { items: [string, ComponentChildren][]; wide?: boolean }) {
  return (
    <dl class={wide ? "facts wide" : "facts"}>
      {items.map(([name, value]) => (
        <div>
          <dt>{name}</dt>
          <dd>{value ?? <span class="quiet">–</span>}</dd>
        </div>
      ))}
    </dl>
  );
}

/** A modal dialog: the browser traps the focus, closes it with Escape, and puts the focus back. */
export function Dialog({ title, close, children, wide }: {
  title: string;
  close: () => void;
  children: ComponentChildren;
  wide?: boolean;
}) {
  const ref = useRef<HTMLDialogElement>(null);
  const id = useId();
  const isGone = useRef(false);
  // Before the next frame, because a dialog that is removed first takes the focus with it.
  useLayoutEffect(() => {
    const [dialog, before] = [ref.current, document.activeElement];
    dialog?.showModal();
    return () => {
      isGone.current = true;
      dialog?.close();
      if (before instanceof HTMLElement) before.focus();
    };
  }, []);
  // Not for a dialog that was replaced: its event comes when the next one is open.
  const closed = () => isGone.current || close();
  const cancel = (event: TargetedEvent<HTMLDialogElement>) => {
    event.preventDefault();
    close();
  };
  return (
    <dialog ref={ref} class={wide ? "wide" : undefined} aria-labelledby={id} onCancel={cancel} onClose={closed}>
      <header>
        <h2 id={id}>{title}</h2>
        <button type="button" class="ghost small" onClick={close} aria-label="Close">
          ✕
        </button>
      </header>
      {children}
    </dialog>
  );
}
