-- What an endpoint asked for: to be left alone for a while (429 or 503 with Retry-After), or for good (410). A release
-- that does not know these columns goes on posting, and is told again.
ALTER TABLE webhooks
    ADD COLUMN paused_until timestamptz,
    ADD COLUMN disabled_at  timestamptz;
INSERT INTO migration_compatibility (version, needs) VALUES (33, 28);
