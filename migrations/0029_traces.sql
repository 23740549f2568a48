-- Latencies that are none (a span without an end, or whose end is before its start) or that are longer than a day do not
-- enter averages. Until now every latency did; that is what the defaults say of older rows, and of those of older
-- binaries.
ALTER TABLE captured_events ADD COLUMN untimed boolean NOT NULL DEFAULT false;
-- Of the events, how many have no latency that counts.
ALTER TABLE captured_totals ADD COLUMN untimed bigint NOT NULL DEFAULT 0;
ALTER TABLE captured_sums ADD COLUMN untimed bigint NOT NULL DEFAULT 0;

-- An event whose name or content changes is indexed once more. Of the entries of a row, how many are such.
ALTER TABLE captured_pending ADD COLUMN again integer NOT NULL DEFAULT 0;
ALTER TABLE captured_blocks ADD COLUMN again integer NOT NULL DEFAULT 0;

-- A trace some of whose spans are stored. Writers of its spans lock this row, because what a span is depends on the
-- others: whether it is a turn, and which conversation it is of.
CREATE TABLE captured_traces (
    org_id   uuid NOT NULL,
    trace_id uuid NOT NULL,
    PRIMARY KEY (org_id, trace_id)
);
SELECT isolate_tenant_table('captured_traces', 'SELECT, INSERT, UPDATE');

-- What a span says of itself, and what it was made in its trace.
CREATE TABLE captured_spans (
    org_id       uuid        NOT NULL,
    -- the span's event
    event_id     uuid        NOT NULL,
    trace_id     uuid        NOT NULL,
    parent_id    uuid,
    started_at   timestamptz NOT NULL,
    role         smallint    NOT NULL,
    -- a hash of the user's words
    asked        bigint,
    replied      boolean     NOT NULL,
    has_content  boolean     NOT NULL,
    -- the ids that it names, and how explicit their sources are
    session      text,
    session_rank smallint,
    "user"       text,
    user_rank    smallint,
    agent        text,
    name         text        NOT NULL,
    -- 0: only log records of it came; 1: exported when it started; 2: finished
    form         smallint    NOT NULL,
    -- log records that are part of it
    logs         integer     NOT NULL,
    revision     integer     NOT NULL,
    -- its event's session, kind and name
    session_id   uuid        NOT NULL,
    kind         text        NOT NULL CHECK (length(kind) <= 50),
    shown_name   text        NOT NULL,
    PRIMARY KEY (org_id, event_id)
);
CREATE INDEX captured_spans_by_trace ON captured_spans (org_id, trace_id);
SELECT isolate_tenant_table('captured_spans', 'SELECT, INSERT, UPDATE');

-- A day on which an event is summed up as something else since: a maximum of it may be too high.
CREATE TABLE captured_recounts (
    org_id uuid        NOT NULL,
    day    timestamptz NOT NULL,
    PRIMARY KEY (org_id, day)
);
SELECT isolate_tenant_table('captured_recounts', 'SELECT, INSERT');
