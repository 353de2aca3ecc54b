-- What users are told without having asked, what they want to hear, and what was told already.

-- One row: since when this database knows of notices. What was bad before was so all along.
CREATE TABLE notice_birth (
    one        INTEGER PRIMARY KEY CHECK (one = 1),
    known_from TEXT NOT NULL
) STRICT;

-- The latest notices, as they were told. Nothing is asked of the parts of the document.
CREATE TABLE notices (
    id     INTEGER PRIMARY KEY,
    at     TEXT NOT NULL,
    kind   TEXT NOT NULL,
    -- JSON, as faces receive it.
    notice TEXT NOT NULL
) STRICT;

-- Findings of which no word is needed any more: told, muted, or fallen into a pause. A row that goes takes them along.
CREATE TABLE notices_told (
    row_id TEXT NOT NULL CHECK (row_id <> ''),
    kind   TEXT NOT NULL,
    -- Since when it was so: the same trouble at another time is told anew.
    since  TEXT NOT NULL,
    at     TEXT NOT NULL,
    PRIMARY KEY (row_id, kind)
) STRICT;

-- What is not to be told; '' is any. The most specific row counts.
CREATE TABLE notice_mutes (
    workload_id TEXT NOT NULL,
    kind        TEXT NOT NULL,
    muted       INTEGER NOT NULL CHECK (muted IN (0, 1)),
    at          TEXT NOT NULL,
    PRIMARY KEY (workload_id, kind)
) STRICT;

-- At most one row: nothing is told until then.
CREATE TABLE notice_pause (
    one      INTEGER PRIMARY KEY CHECK (one = 1),
    until_at TEXT NOT NULL,
    -- What would have been told so far.
    unheard  INTEGER NOT NULL DEFAULT 0,
    at       TEXT NOT NULL
) STRICT;
