-- What befell a container and its present facts do not tell: how its last run ended and by whom, when its policy
-- restarted it, what its health check complained of, which newer container serves in its place. Written by the
-- reconciler.

ALTER TABLE containers ADD COLUMN ended_at TEXT;
ALTER TABLE containers ADD COLUMN end_cause TEXT CHECK (end_cause IN ('own', 'foreign', 'compose', 'exit', 'oom',
    'engine_restart', 'sleep', 'unknown'));
ALTER TABLE containers ADD COLUMN end_detail TEXT;
-- Times, oldest first.
ALTER TABLE containers ADD COLUMN restarts TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(restarts));
ALTER TABLE containers ADD COLUMN unhealthy_since TEXT;
-- As the check wrote it: nothing of it may be trusted.
ALTER TABLE containers ADD COLUMN probe_output TEXT;
-- A name.
ALTER TABLE containers ADD COLUMN superseded_by TEXT;

-- What a container's program wrote last before it ended, as it wrote it. One entry for a row, of the row's container.
CREATE TABLE last_words (
    row_id       TEXT PRIMARY KEY NOT NULL REFERENCES containers (id) ON DELETE CASCADE,
    of_container TEXT NOT NULL CHECK (of_container <> ''),
    run_ended_at TEXT NOT NULL,
    said         TEXT NOT NULL
) STRICT;

-- The history knows how the rows that were there before ended.
UPDATE containers SET (ended_at, end_cause, end_detail) = (
        SELECT at, cause, detail FROM container_changes AS c
        WHERE c.row_id = containers.id AND c.engine_id = containers.engine_id
            AND c.container_id = containers.container_id AND c.field = 'state' AND c.from_value IS NOT NULL
            AND c.to_value IN ('stopped', 'failed', 'restarting', 'missing')
        ORDER BY seq DESC LIMIT 1)
    WHERE ended_at IS NULL AND container_id <> '';
