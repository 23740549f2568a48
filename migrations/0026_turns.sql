-- The message of a session that waits for its reply, so that every replica knows: whether its turn runs, until when
-- its replica's lease lasts, and what a retry of it looks like. NULL where none waits. Only the holder of the row's
-- lock reads or writes it.
ALTER TABLE sessions ADD COLUMN turn json;
