-- How many of the requests of a day were responded to with an error (4xx or 5xx).
ALTER TABLE usage_days ADD COLUMN errors bigint NOT NULL DEFAULT 0;

-- A release that does not know the column counts no errors.
INSERT INTO migration_compatibility (version, needs) VALUES (52, 28);
