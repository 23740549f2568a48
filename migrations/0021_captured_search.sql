-- Which captured events contain a text. ILIKE would have to open every event, and no index of Postgres serves it under
-- row-level security, because its operators are not leakproof. So the service breaks texts into grams (hashes of two or
-- three characters that follow each other), and looks these up by equality; the events found are then read and compared.
--
-- A writer adds the grams of its events to captured_pending, event by event. A worker turns pending rows of one
-- organization into a block: a list of events, and for each gram of theirs which of them have it. An event is in one
-- pending row or one block; where an organization has more events than these, the rest is not indexed yet, and nothing is
-- looked up.
CREATE TABLE captured_pending (
    org_id  uuid        NOT NULL,
    -- the first of its events
    pending uuid        NOT NULL,
    size    integer     NOT NULL,
    oldest  timestamptz NOT NULL,
    newest  timestamptz NOT NULL,
    -- 24 bytes an event: its id, and its time in microseconds since 1970
    entries bytea       NOT NULL,
    -- what grams each event has, in the same order
    grams   bytea       NOT NULL,
    PRIMARY KEY (org_id, pending)
);
ALTER TABLE captured_pending ALTER COLUMN grams SET STORAGE EXTERNAL, ALTER COLUMN entries SET STORAGE EXTERNAL;
SELECT isolate_tenant_table('captured_pending', 'SELECT, INSERT');

CREATE TABLE captured_blocks (
    org_id  uuid        NOT NULL,
    block   uuid        NOT NULL,
    size    integer     NOT NULL,
    oldest  timestamptz NOT NULL,
    newest  timestamptz NOT NULL,
    entries bytea       NOT NULL,
    PRIMARY KEY (org_id, block)
);
-- Parts of it are read without the rest only if it is not compressed.
ALTER TABLE captured_blocks ALTER COLUMN entries SET STORAGE EXTERNAL;
SELECT isolate_tenant_table('captured_blocks', 'SELECT');

CREATE TABLE captured_grams (
    org_id uuid    NOT NULL,
    block  uuid    NOT NULL,
    -- the gram without its last 8 bits
    bucket integer NOT NULL,
    -- the last bits of each gram, and which events of the block have it
    lists  bytea   NOT NULL,
    PRIMARY KEY (org_id, block, bucket)
);
ALTER TABLE captured_grams ALTER COLUMN lists SET STORAGE EXTERNAL;
SELECT isolate_tenant_table('captured_grams', 'SELECT');

-- Organizations some of whose events are not indexed, and how far a worker has come with them.
CREATE TABLE captured_backlog (
    org_id   uuid        NOT NULL PRIMARY KEY,
    at       timestamptz NOT NULL,
    event_id uuid        NOT NULL
);
SELECT isolate_tenant_table('captured_backlog', 'SELECT');
