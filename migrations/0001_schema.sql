-- The tables of the index and of what stands around it.
--
-- Times are RFC 3339 in UTC with six digits, so that they sort as text. What is absent is NULL, but the few texts
-- whose emptiness has a meaning of its own say which. Ids are text.

CREATE TABLE schema_migrations (
    version    INTEGER PRIMARY KEY,
    name       TEXT NOT NULL,
    applied_at TEXT NOT NULL
) STRICT;

-- What a user manages. Each has one row in projects, stacks or sites too, as its kind says.
CREATE TABLE workloads (
    id         TEXT PRIMARY KEY NOT NULL CHECK (id <> ''),
    kind       TEXT NOT NULL CHECK (kind IN ('project', 'stack', 'site')),
    name       TEXT NOT NULL CHECK (name <> ''),
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL,
    UNIQUE (kind, name)
) STRICT;

CREATE TABLE projects (
    workload_id    TEXT PRIMARY KEY NOT NULL REFERENCES workloads (id) ON DELETE CASCADE,
    image          TEXT NOT NULL DEFAULT '',
    -- The container's port; NULL for a worker.
    port           INTEGER CHECK (port BETWEEN 1 AND 65535),
    healthcheck    TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(healthcheck)),
    env            TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(env)),
    webhook_secret TEXT
) STRICT;

CREATE TABLE stages (
    id            TEXT PRIMARY KEY NOT NULL CHECK (id <> ''),
    workload_id   TEXT NOT NULL REFERENCES projects (workload_id) ON DELETE CASCADE,
    name          TEXT NOT NULL CHECK (name <> ''),
    tag_pattern   TEXT NOT NULL DEFAULT '*',
    auto_deploy   INTEGER NOT NULL DEFAULT 0 CHECK (auto_deploy IN (0, 1)),
    max_instances INTEGER NOT NULL DEFAULT 1 CHECK (max_instances >= 1),
    -- The name of another stage of the same project.
    promote_from  TEXT,
    subdomain     TEXT,
    UNIQUE (workload_id, name)
) STRICT;

CREATE TABLE stacks (
    workload_id     TEXT PRIMARY KEY NOT NULL REFERENCES workloads (id) ON DELETE CASCADE,
    compose_project TEXT NOT NULL UNIQUE CHECK (compose_project <> ''),
    compose_yaml    TEXT NOT NULL DEFAULT ''
) STRICT;

CREATE TABLE sites (
    workload_id    TEXT PRIMARY KEY NOT NULL REFERENCES workloads (id) ON DELETE CASCADE,
    -- A folder of this machine, or NULL where the site comes out of a git repository.
    source         TEXT,
    git_url        TEXT,
    git_branch     TEXT,
    folder         TEXT,
    webhook_secret TEXT
) STRICT;

-- Every engine that was ever identified, and how far its index is.
CREATE TABLE engines (
    engine_id     TEXT PRIMARY KEY NOT NULL CHECK (engine_id <> ''),
    endpoint      TEXT NOT NULL DEFAULT '',
    -- The index's revision that this engine's last commit made.
    revision      INTEGER NOT NULL DEFAULT 0,
    verified_at   TEXT,
    first_seen_at TEXT NOT NULL
) STRICT;

-- The index. Three groups of columns, each with one writer.
CREATE TABLE containers (
    id                   TEXT PRIMARY KEY NOT NULL CHECK (id <> ''),
    -- Empty for a row carried over from the earlier design, until an engine has been identified.
    engine_id            TEXT NOT NULL DEFAULT '',
    workload_id          TEXT REFERENCES workloads (id),
    workload_kind        TEXT CHECK (workload_kind IN ('project', 'stack', 'site')),
    role                 TEXT,
    -- Why a claim on a foreign container was turned down.
    foreign_reason       TEXT,
    -- Empty for a placeholder.
    container_id         TEXT NOT NULL DEFAULT '',

    -- What the engine says. Written by the reconciler.
    name                 TEXT NOT NULL DEFAULT '',
    image                TEXT NOT NULL DEFAULT '',
    image_id             TEXT NOT NULL DEFAULT '',
    state                TEXT NOT NULL CHECK (state IN ('created', 'running', 'paused', 'restarting', 'removing',
                             'stopped', 'failed', 'missing', 'deploying', 'unknown')),
    health               TEXT NOT NULL DEFAULT 'none' CHECK (health IN ('none', 'starting', 'healthy', 'unhealthy')),
    exit_code            INTEGER,
    oom_killed           INTEGER NOT NULL DEFAULT 0 CHECK (oom_killed IN (0, 1)),
    restart_count        INTEGER NOT NULL DEFAULT 0 CHECK (restart_count >= 0),
    error                TEXT,
    ports                TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(ports)),
    labels               TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(labels)),
    container_created_at TEXT,
    started_at           TEXT,
    finished_at          TEXT,
    restart_policy       TEXT NOT NULL DEFAULT '',
    auto_remove          INTEGER NOT NULL DEFAULT 0 CHECK (auto_remove IN (0, 1)),
    last_seen_at         TEXT,
    missing_since        TEXT,

    -- What was decided. Written by the deployer.
    stage_id             TEXT REFERENCES stages (id) ON DELETE SET NULL,
    release_id           TEXT,
    deploy_id            TEXT,
    image_tag            TEXT,
    subdomain            TEXT,
    proxy_route_id       TEXT,

    -- The row's own.
    created_at           TEXT NOT NULL,
    updated_at           TEXT NOT NULL,
    legacy_instance_id   TEXT,
    -- The proxy host of the earlier design's proxy; nothing of ours has that id.
    legacy_proxy_id      TEXT,

    CHECK ((workload_id IS NULL) = (workload_kind IS NULL)),
    CHECK ((workload_id IS NULL) = (role IS NULL)),
    CHECK (workload_id IS NULL OR foreign_reason IS NULL)
) STRICT;

CREATE UNIQUE INDEX containers_by_container ON containers (engine_id, container_id) WHERE container_id <> '';
CREATE INDEX containers_by_engine ON containers (engine_id);
CREATE INDEX containers_by_workload ON containers (workload_id, role) WHERE workload_id IS NOT NULL;
CREATE UNIQUE INDEX containers_by_legacy_instance ON containers (legacy_instance_id)
    WHERE legacy_instance_id IS NOT NULL;

-- The history: appended to, never rewritten. It outlives the rows it tells of, so it names them without a reference.
CREATE TABLE container_changes (
    seq          INTEGER PRIMARY KEY AUTOINCREMENT,
    engine_id    TEXT NOT NULL,
    row_id       TEXT NOT NULL,
    container_id TEXT NOT NULL DEFAULT '',
    name         TEXT NOT NULL DEFAULT '',
    workload_id  TEXT,
    role         TEXT,
    field        TEXT NOT NULL CHECK (field IN ('state', 'health', 'image', 'name')),
    from_value   TEXT,
    to_value     TEXT,
    at           TEXT NOT NULL,
    recorded_at  TEXT NOT NULL,
    cause        TEXT NOT NULL CHECK (cause IN ('own', 'foreign', 'compose', 'exit', 'oom', 'engine_restart',
                     'sleep', 'unknown')),
    detail       TEXT
) STRICT;

CREATE INDEX container_changes_by_container ON container_changes (container_id, seq);
CREATE INDEX container_changes_by_row ON container_changes (row_id, seq);

-- Foreign containers that are gone, as they were last.
CREATE TABLE retired_containers (
    seq                  INTEGER PRIMARY KEY AUTOINCREMENT,
    engine_id            TEXT NOT NULL,
    row_id               TEXT NOT NULL,
    container_id         TEXT NOT NULL,
    workload_id          TEXT,
    role                 TEXT,
    name                 TEXT NOT NULL,
    image                TEXT NOT NULL,
    image_id             TEXT NOT NULL,
    state                TEXT NOT NULL,
    health               TEXT NOT NULL,
    exit_code            INTEGER,
    oom_killed           INTEGER NOT NULL,
    container_created_at TEXT,
    started_at           TEXT,
    finished_at          TEXT,
    last_seen_at         TEXT,
    created_at           TEXT NOT NULL,
    retired_at           TEXT NOT NULL
) STRICT;

CREATE INDEX retired_containers_by_container ON retired_containers (container_id);
CREATE INDEX retired_containers_by_name ON retired_containers (name);

-- Spans that could not be verified.
CREATE TABLE gaps (
    engine_id TEXT NOT NULL,
    from_at   TEXT NOT NULL,
    to_at     TEXT NOT NULL,
    reason    TEXT NOT NULL CHECK (reason IN ('not_running', 'engine_away', 'asleep')),
    PRIMARY KEY (engine_id, from_at, reason),
    CHECK (from_at <= to_at)
) STRICT;

-- Container ids that the journal or an adopt act recorded: the strongest claim there is.
CREATE TABLE recorded_containers (
    engine_id    TEXT NOT NULL,
    container_id TEXT NOT NULL CHECK (container_id <> ''),
    workload_id  TEXT NOT NULL REFERENCES workloads (id) ON DELETE CASCADE,
    role         TEXT NOT NULL,
    deploy_id    TEXT,
    source       TEXT NOT NULL CHECK (source IN ('journal', 'adopt')),
    at           TEXT NOT NULL,
    PRIMARY KEY (engine_id, container_id)
) STRICT;

-- Only what differs from the default.
CREATE TABLE settings (
    key        TEXT PRIMARY KEY NOT NULL,
    value      TEXT NOT NULL,
    updated_at TEXT NOT NULL
) STRICT;

-- What happened besides containers: the engine went and came back, the daemon started, a backup was made.
CREATE TABLE event_log (
    seq     INTEGER PRIMARY KEY AUTOINCREMENT,
    at      TEXT NOT NULL,
    kind    TEXT NOT NULL,
    subject TEXT NOT NULL DEFAULT '',
    text    TEXT NOT NULL,
    detail  TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(detail))
) STRICT;
