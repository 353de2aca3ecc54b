-- What is remembered of stale containers: what their users said of them, and which were announced.
--
-- A container is named by its id; a row that has none, by the row's.

-- Left alone for good (a pin), or until a moment (a snooze).
CREATE TABLE stale_wishes (
    engine_id TEXT NOT NULL,
    container TEXT NOT NULL CHECK (container <> ''),
    wish      TEXT NOT NULL CHECK (wish IN ('pin', 'snooze')),
    -- When it was said.
    at        TEXT NOT NULL,
    until_at  TEXT,
    PRIMARY KEY (engine_id, container, wish),
    CHECK ((wish = 'snooze') = (until_at IS NOT NULL))
) STRICT;

-- A workload's own number of days, in the setting's place; 0 is no threshold.
CREATE TABLE stale_thresholds (
    workload_id TEXT PRIMARY KEY NOT NULL REFERENCES workloads (id) ON DELETE CASCADE,
    days        INTEGER NOT NULL CHECK (days BETWEEN 0 AND 3650),
    at          TEXT NOT NULL
) STRICT;

-- Announced once, and again only when it has stood still since another moment.
CREATE TABLE stale_announced (
    engine_id TEXT NOT NULL,
    container TEXT NOT NULL CHECK (container <> ''),
    -- Since when it had stood still.
    since     TEXT NOT NULL,
    at        TEXT NOT NULL,
    PRIMARY KEY (engine_id, container)
) STRICT;
