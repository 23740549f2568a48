-- Organizations request the erasure of a user or a session themselves, and read their receipts, newest first. The subject
-- of an erasure that runs stays hidden from requests: a receipt has its HMAC only.
CREATE INDEX erasures_newest ON erasures (org_id, requested_at DESC, erasure_id DESC);
GRANT SELECT (erasure_id, scope, subject_hash, dialect, unused_since, requested_at, pass, counts, done_at),
      INSERT (org_id, erasure_id, scope, subject, subject_hash, requested_at, step, due_at)
   ON erasures TO sessionary_app;
GRANT INSERT ON erasure_sessions TO sessionary_app;

-- A request may erase a user (1) or a session (2), not a whole organization, even if it were wrong.
CREATE POLICY only_of_one ON erasures AS RESTRICTIVE FOR INSERT TO sessionary_app WITH CHECK (scope IN (1, 2));

INSERT INTO migration_compatibility (version, needs) VALUES (44, 28);
