-- Secrets, the outgoing webhook, and a history that is kept for a time and found without being read whole.

-- The one key that all secrets of this database are sealed with: where it lies, and how to tell it from every other.
-- A row is written once and stays.
CREATE TABLE secret_key (
    id        INTEGER PRIMARY KEY NOT NULL CHECK (id = 1),
    place     TEXT NOT NULL CHECK (place IN ('keyring', 'file')),
    key_check TEXT NOT NULL CHECK (key_check <> ''),
    at        TEXT NOT NULL
) STRICT;

-- Where notices are sent to; no row where they are sent nowhere.
CREATE TABLE outgoing_webhook (
    id     INTEGER PRIMARY KEY NOT NULL CHECK (id = 1),
    -- Scheme, host and port, to be shown.
    origin TEXT NOT NULL CHECK (origin <> ''),
    -- Sealed: with many receivers the address is all that authorises.
    url    BLOB NOT NULL,
    -- Sealed; NULL where nothing is signed.
    secret BLOB,
    at     TEXT NOT NULL
) STRICT;

-- What was, or is to be, sent, and what came of it. Only the latest are kept.
CREATE TABLE outgoing_deliveries (
    seq         INTEGER PRIMARY KEY AUTOINCREMENT,
    delivery_id TEXT NOT NULL UNIQUE CHECK (delivery_id <> ''),
    event       TEXT NOT NULL,
    title       TEXT NOT NULL,
    letter      TEXT NOT NULL CHECK (json_valid(letter)),
    at          TEXT NOT NULL,
    state       TEXT NOT NULL CHECK (state IN ('waiting', 'delivered', 'given_up')),
    attempts    INTEGER NOT NULL DEFAULT 0 CHECK (attempts >= 0),
    -- When it is tried next.
    next_at     TEXT,
    -- Of the last try.
    tried_at    TEXT,
    status      INTEGER,
    latency_ms  INTEGER,
    error       TEXT,
    CHECK ((state = 'waiting') = (next_at IS NOT NULL))
) STRICT;

CREATE INDEX outgoing_deliveries_waiting ON outgoing_deliveries (next_at) WHERE next_at IS NOT NULL;

-- What a container was when it came, or came back, with the line that says so: for one whose row stands for another now, or
-- that went meanwhile, no other place tells.
ALTER TABLE container_changes ADD COLUMN image TEXT;
ALTER TABLE container_changes ADD COLUMN health TEXT;

CREATE INDEX container_changes_by_life ON container_changes (row_id, container_id, field, at, seq, engine_id);
CREATE INDEX container_changes_beginnings ON container_changes (row_id, container_id, at, seq)
    WHERE image IS NOT NULL;
CREATE INDEX container_changes_by_time ON container_changes (at);
CREATE INDEX retired_containers_by_time ON retired_containers (engine_id, retired_at);

-- From when on all of the history is there; no row while nothing of it was removed.
CREATE TABLE history_kept (
    id        INTEGER PRIMARY KEY NOT NULL CHECK (id = 1),
    kept_from TEXT NOT NULL
) STRICT;
