-- Which migrations a program of an older release can work with, although it does not know them. Each migration after 0030
-- adds a row of its own, unless it takes something away that the release before still uses:
--     INSERT INTO migration_compatibility (version, needs) VALUES (32, 30);
-- lets every program serve whose newest migration is 30 or later. Without a row, a program must know the migration.
CREATE TABLE migration_compatibility (
    version bigint NOT NULL PRIMARY KEY,
    -- the newest migration that a program must know at least
    needs   bigint NOT NULL CHECK (needs < version)
);
-- No tenant's rows, and nothing that requests read; isolated like the rest, so that no table is an exception.
ALTER TABLE migration_compatibility ENABLE ROW LEVEL SECURITY;
ALTER TABLE migration_compatibility FORCE ROW LEVEL SECURITY;
CREATE POLICY look_up ON migration_compatibility TO sessionary_owner USING (true) WITH CHECK (true);
CREATE POLICY system ON migration_compatibility FOR SELECT TO sessionary_system USING (true);
GRANT SELECT ON migration_compatibility TO sessionary_system;
