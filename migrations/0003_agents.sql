CREATE TABLE agents (
    org_id        uuid        NOT NULL,
    agent_id      uuid        NOT NULL,
    -- the same agent as the dialects name it: a UUID, a key, an integer
    key           text        NOT NULL CHECK (key ~ '^[0-9A-Za-z_-]{1,50}$'),
    number        bigint      NOT NULL CHECK (number BETWEEN 1 AND 9007199254740992),
    name          text        NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    description   text,
    enabled       boolean     NOT NULL DEFAULT true,
    language      text        NOT NULL DEFAULT 'en',
    avatar_number bigint,
    -- NULL: the organization's default
    responder     json,
    -- what a dialect keeps about an agent and hands back as it was sent
    settings      json        NOT NULL DEFAULT '{}',
    created_at    timestamptz NOT NULL,
    updated_at    timestamptz NOT NULL,
    deleted_at    timestamptz,
    PRIMARY KEY (org_id, agent_id)
);
-- Deleting an agent frees its key, never its UUID or its number: sessions still point there.
CREATE UNIQUE INDEX agents_live_key ON agents (org_id, key) WHERE deleted_at IS NULL;
CREATE UNIQUE INDEX agents_number ON agents (org_id, number);
SELECT isolate_tenant_table('agents', 'SELECT, INSERT, UPDATE');

CREATE TABLE avatars (
    org_id      uuid        NOT NULL,
    number      bigint      NOT NULL CHECK (number BETWEEN 1 AND 9007199254740992),
    name        text        NOT NULL,
    url         text        NOT NULL,
    voice_id    text,
    is_favorite boolean     NOT NULL DEFAULT false,
    is_public   boolean     NOT NULL DEFAULT false,
    created_at  timestamptz NOT NULL,
    updated_at  timestamptz NOT NULL,
    PRIMARY KEY (org_id, number)
);
SELECT isolate_tenant_table('avatars', 'SELECT, INSERT, UPDATE, DELETE');

-- Public integers are handed out in blocks, one row per organization and series, so that no sequence feeds a
-- public id and no two replicas meet on a hot row for every create.
CREATE TABLE number_blocks (
    org_id      uuid     NOT NULL,
    series      smallint NOT NULL,
    next_number bigint   NOT NULL,
    PRIMARY KEY (org_id, series)
);
SELECT isolate_tenant_table('number_blocks', 'SELECT, INSERT, UPDATE');
