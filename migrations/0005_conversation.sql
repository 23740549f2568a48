-- A conversation changes its session: time-outs are renewed, sessions end. last_change is the nonce of the latest
-- change, so that one whose COMMIT went unanswered is recognised and not made again.
ALTER TABLE sessions ADD COLUMN last_change uuid;

-- Both are updated again and again. Room left on each page keeps an updated row beside its old version, and its
-- index entries as they are.
ALTER TABLE sessions SET (fillfactor = 90);
ALTER TABLE session_counters SET (fillfactor = 70);
