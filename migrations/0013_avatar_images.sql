-- The images that avatars were uploaded with. Each has an address of its own, whose id nobody can guess, and goes with its
-- avatar.
CREATE TABLE avatar_images (
    org_id        uuid        NOT NULL,
    image_id      uuid        NOT NULL,
    avatar_number bigint      NOT NULL,
    -- told by their first bytes when they are served
    bytes         bytea       NOT NULL CHECK (length(bytes) BETWEEN 1 AND 5242880),
    created_at    timestamptz NOT NULL,
    PRIMARY KEY (org_id, image_id)
);
-- Images are compressed already.
ALTER TABLE avatar_images ALTER COLUMN bytes SET STORAGE EXTERNAL;
CREATE UNIQUE INDEX avatar_images_by_avatar ON avatar_images (org_id, avatar_number);
SELECT isolate_tenant_table('avatar_images', 'SELECT, INSERT, DELETE');
