-- The time at which a caller first received 410 for an expired session. Renamed because the service reports an expiry.
ALTER TABLE sessions RENAME COLUMN expiry_told_at TO expiry_reported_at;
