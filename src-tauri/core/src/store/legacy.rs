//! The database of the earlier design, moved aside so that plain SQL can carry it over.
//!
//! Four of its tables have names that are ours now, and of all six only the columns that are there can be read. So
//! before the first migration, in its transaction, each is read whole, brought into one known shape as `legacy_*`
//! (ids present, unique and text; times and states in our words; row keys settled), and dropped. `0002` carries the
//! rows from there. Tables that we know nothing of are kept, unread, under a name that nothing of ours will ever
//! have.
//!
//! A table is told from ours by its columns, not by its name, so that a database that was cut anywhere, in whatever
//! way, is read right.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};

use super::error::{During as _, Sql, StoreError};
use super::migrate::{MIGRATIONS, Run};
use super::schema::{self, KEPT};
use super::words::{map_text, ports_text, time_text};
use crate::rules::container::{Port, State, WorkloadKind};
use crate::rules::ids::ContainerId;

/// The earlier design's tables, each with what it becomes.
const TABLES: &[(&str, Shape)] = &[
    ("projects", PROJECTS),
    ("stages", STAGES),
    ("stacks", STACKS),
    ("static_sites", SITES),
    ("settings", SETTINGS),
    ("instances", INSTANCES),
];

/// A table to carry over from, and its columns.
type Shape = (&'static str, &'static [&'static str]);

const PROJECTS: Shape = (
    "legacy_projects",
    &["id", "name", "image", "port", "healthcheck", "env", "webhook_secret", "created_at"],
);
const STAGES: Shape = (
    "legacy_stages",
    &[
        "id",
        "workload_id",
        "name",
        "tag_pattern",
        "auto_deploy",
        "max_instances",
        "promote_from",
        "subdomain",
    ],
);
const STACKS: Shape = ("legacy_stacks", &["id", "name", "compose_project", "compose_yaml", "created_at"]);
const SITES: Shape = (
    "legacy_static_sites",
    &["id", "name", "git_url", "git_branch", "folder", "webhook_secret", "created_at"],
);
const SETTINGS: Shape = ("legacy_settings", &["key", "value", "updated_at"]);
const INSTANCES: Shape = (
    "legacy_instances",
    &[
        "row_id",
        "workload_id",
        "workload_kind",
        "role",
        "foreign_reason",
        "container_id",
        "name",
        "image",
        "state",
        "ports",
        "stage_id",
        "image_tag",
        "subdomain",
        "last_seen_at",
        "missing_since",
        "created_at",
        "updated_at",
        "legacy_instance_id",
        "legacy_proxy_id",
    ],
);

/// What a stage is called that an instance names no stage of.
const NO_STAGE: &str = "default";

/// What a site's one container is to it.
const SITE_ROLE: &str = "site";

pub(super) fn move_aside(run: &mut Run<'_>, now: Timestamp) -> Result<(), StoreError> {
    let found = look(run.db)?;
    for table in &found.strangers {
        run.step(|db| keep_unread(db, table))?;
    }
    if found.legacy.is_empty() {
        return Ok(());
    }
    let old = run.step(|db| Old::read(db, &found.legacy))?;
    let carried = Carried::from(&old, now);
    for (table, shape) in TABLES {
        run.step(|db| lay_out(db, shape, carried.rows(shape.0)))?;
        if found.legacy.contains(table) {
            run.step(|db| db.execute_batch(&format!("DROP TABLE {}", quoted(table))))?;
        }
    }
    Ok(())
}

/// The tables that are not ours.
struct Found {
    legacy: BTreeSet<&'static str>,
    strangers: Vec<String>,
}

fn look(db: &Connection) -> Result<Found, StoreError> {
    let first = schema::tables(&MIGRATIONS[..1])?;
    let latest = schema::tables(MIGRATIONS)?;
    let mut found = Found { legacy: BTreeSet::new(), strangers: Vec::new() };
    for table in tables(db).during("listing the tables")? {
        let columns = schema::columns(db, &table).during("listing the columns")?;
        let has_all = |ours: &BTreeMap<String, Vec<String>>| {
            ours.get(&table).is_some_and(|expected| expected.iter().all(|c| columns.contains(c)))
        };
        if has_all(&first) || has_all(&latest) {
            continue;
        }
        match TABLES.iter().find(|(name, _)| *name == table) {
            Some((name, _)) => drop(found.legacy.insert(name)),
            None => found.strangers.push(table),
        }
    }
    Ok(found)
}

/// Every table but SQLite's own, those already moved aside, and those already kept.
fn tables(db: &Connection) -> Sql<Vec<String>> {
    let names: Vec<String> = db
        .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")?
        .query_map([], |row| row.get(0))?
        .collect::<Sql<_>>()?;
    let moved = |name: &str| TABLES.iter().any(|(_, (legacy, _))| *legacy == name);
    Ok(names.into_iter().filter(|n| !n.starts_with("sqlite_") && !n.starts_with(KEPT) && !moved(n)).collect())
}

/// Views and triggers hold no data and would hold the renaming up.
fn keep_unread(db: &Connection, table: &str) -> Sql<()> {
    let derived: Vec<(String, String)> = db
        .prepare("SELECT type, name FROM sqlite_schema WHERE type IN ('view', 'trigger')")?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Sql<_>>()?;
    for (kind, name) in derived {
        db.execute_batch(&format!("DROP {kind} IF EXISTS {}", quoted(&name)))?;
    }
    db.execute_batch(&format!(
        "ALTER TABLE {} RENAME TO {}",
        quoted(table),
        quoted(&format!("{KEPT}{table}"))
    ))
}

fn lay_out(db: &Connection, (table, columns): &Shape, rows: &[Vec<Value>]) -> Sql<()> {
    db.execute_batch(&format!("CREATE TABLE IF NOT EXISTS {table} ({})", columns.join(", ")))?;
    let places = vec!["?"; columns.len()].join(", ");
    let mut insert =
        db.prepare(&format!("INSERT INTO {table} ({}) VALUES ({places})", columns.join(", ")))?;
    for row in rows {
        insert.execute(params_from_iter(row))?;
    }
    Ok(())
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// One row of the earlier design, by the columns that are there.
#[derive(Debug, Clone, Default)]
struct Old {
    tables: BTreeMap<&'static str, Vec<Fields>>,
}

#[derive(Debug, Clone, Default)]
struct Fields(BTreeMap<String, Value>);

impl Old {
    fn read(db: &Connection, legacy: &BTreeSet<&'static str>) -> Sql<Self> {
        let mut tables = BTreeMap::new();
        for table in legacy {
            let mut statement = db.prepare(&format!("SELECT * FROM {}", quoted(table)))?;
            let columns: Vec<String> = statement.column_names().map(str::to_ascii_lowercase).collect();
            let mut found = Vec::new();
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                let mut fields = BTreeMap::new();
                for (place, column) in columns.iter().enumerate() {
                    fields.insert(column.clone(), row.get(place)?);
                }
                found.push(Fields(fields));
            }
            tables.insert(*table, found);
        }
        Ok(Self { tables })
    }

    fn rows(&self, table: &str) -> &[Fields] {
        self.tables.get(table).map_or(&[], Vec::as_slice)
    }
}

impl Fields {
    /// The column's text; an empty one counts as absent.
    fn text(&self, column: &str) -> Option<String> {
        let text = match self.0.get(column)? {
            Value::Null => return None,
            Value::Integer(number) => number.to_string(),
            Value::Real(number) => number.to_string(),
            Value::Text(text) => text.clone(),
            Value::Blob(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        };
        (!text.trim().is_empty()).then_some(text)
    }

    fn number(&self, column: &str) -> Option<i64> {
        self.text(column)?.trim().parse().ok()
    }

    fn port(&self, column: &str) -> Option<u16> {
        u16::try_from(self.number(column)?).ok().filter(|port| *port > 0)
    }

    fn flag(&self, column: &str) -> bool {
        let text = self.text(column).unwrap_or_default().to_ascii_lowercase();
        matches!(text.trim(), "1" | "true" | "yes" | "on" | "t" | "y")
    }

    fn time(&self, column: &str) -> Option<Timestamp> {
        time_of(&self.text(column)?)
    }
}

/// A time as programs write them to SQLite: RFC 3339, without a zone (then UTC), or a number since 1970.
fn time_of(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    let time = match text.parse::<i64>() {
        Ok(number) => since_1970(number),
        Err(_) => text.parse::<Timestamp>().ok().or_else(|| civil(text)),
    };
    time.filter(|t| *t > Timestamp::UNIX_EPOCH).map(crate::rules::time::micros)
}

fn civil(text: &str) -> Option<Timestamp> {
    let moment = text.parse::<jiff::civil::DateTime>().ok()?;
    jiff::tz::TimeZone::UTC.to_timestamp(moment).ok()
}

/// Seconds, milliseconds, microseconds or nanoseconds: whichever gives a time of this century.
fn since_1970(number: i64) -> Option<Timestamp> {
    const IN_SECONDS: i64 = 100_000_000_000;
    const IN_MILLISECONDS: i64 = IN_SECONDS * 1_000;
    const IN_MICROSECONDS: i64 = IN_MILLISECONDS * 1_000;
    if number < IN_SECONDS {
        Timestamp::from_second(number).ok()
    } else if number < IN_MILLISECONDS {
        Timestamp::from_millisecond(number).ok()
    } else if number < IN_MICROSECONDS {
        Timestamp::from_microsecond(number).ok()
    } else {
        Timestamp::from_nanosecond(number.into()).ok()
    }
}

/// The earlier design's word in ours; it used both ours and the engine's.
fn state_of(word: &str) -> State {
    let word = word.trim().to_ascii_lowercase();
    State::parse(&word).unwrap_or_else(|| State::from_engine(&word))
}

/// The rows of each `legacy_*` table, in the order of its columns.
#[derive(Debug, Default)]
struct Carried {
    tables: BTreeMap<&'static str, Vec<Vec<Value>>>,
    /// Ids of workloads that are taken, whatever their kind.
    ids: BTreeSet<String>,
    /// The earlier design's project ids, and what became of them.
    projects: BTreeMap<String, Project>,
    /// The earlier design's stage ids, and what became of them.
    stages: BTreeMap<String, Stage>,
    /// Containers that a row has already.
    containers: BTreeSet<String>,
}

#[derive(Debug, Clone)]
struct Project {
    id: String,
    image: Option<String>,
    port: Option<u16>,
}

#[derive(Debug, Clone)]
struct Stage {
    id: String,
    name: String,
}

impl Carried {
    fn from(old: &Old, now: Timestamp) -> Self {
        let mut carried = Self::default();
        carried.projects(old.rows("projects"), now);
        carried.stages(old.rows("stages"));
        carried.stacks(old.rows("stacks"), now);
        carried.instances(old.rows("instances"), now);
        carried.sites(old.rows("static_sites"), now);
        carried.settings(old.rows("settings"), now);
        carried
    }

    fn rows(&self, table: &str) -> &[Vec<Value>] {
        self.tables.get(table).map_or(&[], Vec::as_slice)
    }

    fn push(&mut self, shape: Shape, row: Vec<Value>) {
        self.tables.entry(shape.0).or_default().push(row);
    }

    /// An id that no other workload has: its own where that is free.
    fn workload_id(&mut self, kind: WorkloadKind, row: &Fields, place: usize) -> String {
        let own = row.text("id").unwrap_or_else(|| format!("{kind}-{}", place + 1));
        let candidates = [own.clone(), format!("{kind}-{own}"), format!("{kind}-{own}-{}", place + 1)];
        let free = candidates.into_iter().find(|id| !self.ids.contains(id)).unwrap_or(own);
        self.ids.insert(free.clone());
        free
    }

    fn projects(&mut self, rows: &[Fields], now: Timestamp) {
        let mut names = Names::default();
        for (place, row) in rows.iter().enumerate() {
            let id = self.workload_id(WorkloadKind::Project, row, place);
            let project = Project { id: id.clone(), image: row.text("image"), port: row.port("port") };
            self.projects.entry(row.text("id").unwrap_or_else(|| id.clone())).or_insert(project);
            self.push(
                PROJECTS,
                vec![
                    text(&id),
                    text(&names.free(row.text("name"), &id)),
                    text(&row.text("image").unwrap_or_default()),
                    maybe(row.port("port").map(i64::from)),
                    text(&healthcheck(row.text("healthcheck"))),
                    text(&environment(row.text("env"))),
                    maybe_text(row.text("webhook_secret")),
                    time(row.time("created_at").unwrap_or(now)),
                ],
            );
        }
    }

    /// A stage without its project says nothing, and is left behind.
    fn stages(&mut self, rows: &[Fields]) {
        let mut ids = BTreeSet::new();
        let mut names: BTreeMap<String, Names> = BTreeMap::new();
        let mut kept = Vec::new();
        for (place, row) in rows.iter().enumerate() {
            let project = row.text("project_id").and_then(|id| self.projects.get(&id)).cloned();
            let Some(project) = project else { continue };
            let id = row.text("id").unwrap_or_else(|| format!("{}-stage-{}", project.id, place + 1));
            if !ids.insert(id.clone()) {
                continue;
            }
            let name = names.entry(project.id.clone()).or_default().free(row.text("name"), &id);
            self.stages.insert(id.clone(), Stage { id: id.clone(), name: name.clone() });
            kept.push((id, project.id, name, row));
        }
        for (id, project, name, row) in kept {
            let from = row.text("promote_from");
            let from = from.map(|from| self.stages.get(&from).map_or(from, |stage| stage.name.clone()));
            self.push(
                STAGES,
                vec![
                    text(&id),
                    text(&project),
                    text(&name),
                    text(&row.text("tag_pattern").unwrap_or_else(|| "*".to_owned())),
                    Value::Integer(row.flag("auto_deploy").into()),
                    Value::Integer(row.number("max_instances").unwrap_or(1).max(1)),
                    maybe_text(from),
                    maybe_text(row.text("subdomain")),
                ],
            );
        }
    }

    fn stacks(&mut self, rows: &[Fields], now: Timestamp) {
        let mut names = Names::default();
        let mut compose = Names::default();
        for (place, row) in rows.iter().enumerate() {
            let id = self.workload_id(WorkloadKind::Stack, row, place);
            let name = names.free(row.text("name"), &id);
            let project = row.text("compose_project_name").unwrap_or_else(|| name.to_ascii_lowercase());
            self.push(
                STACKS,
                vec![
                    text(&id),
                    text(&name),
                    text(&compose.free(Some(project), &id)),
                    text(&row.text("compose_yaml").unwrap_or_default()),
                    time(row.time("created_at").unwrap_or(now)),
                ],
            );
        }
    }

    fn sites(&mut self, rows: &[Fields], now: Timestamp) {
        let mut names = Names::default();
        for (place, row) in rows.iter().enumerate() {
            let id = self.workload_id(WorkloadKind::Site, row, place);
            let created_at = row.time("created_at").unwrap_or(now);
            self.push(
                SITES,
                vec![
                    text(&id),
                    text(&names.free(row.text("name"), &id)),
                    maybe_text(row.text("repo_url")),
                    maybe_text(row.text("branch")),
                    maybe_text(row.text("folder")),
                    maybe_text(row.text("webhook_secret")),
                    time(created_at),
                ],
            );
            if row.text("container_id").is_some() {
                let carried = Instance {
                    row_id: format!("{id}:{SITE_ROLE}"),
                    owner: Some((id, WorkloadKind::Site, SITE_ROLE.to_owned())),
                    ..Instance::default()
                };
                self.container(row, carried, now);
            }
        }
    }

    fn instances(&mut self, rows: &[Fields], now: Timestamp) {
        let mut keys = BTreeSet::new();
        for (place, row) in newest_first(rows).into_iter().enumerate() {
            let legacy_id = row.text("id");
            let suffix = legacy_id.clone().unwrap_or_else(|| (place + 1).to_string());
            let project = row.text("project_id").and_then(|id| self.projects.get(&id)).cloned();
            let stage = row.text("stage_id").and_then(|id| self.stages.get(&id)).cloned();
            let mut carried = Instance { legacy_id, ..Instance::default() };
            match project {
                Some(project) => {
                    let role = stage.as_ref().map_or(NO_STAGE, |s| s.name.as_str()).to_owned();
                    let key = format!("{}:{role}", project.id);
                    carried.row_id = if keys.contains(&key) { format!("{key}:{suffix}") } else { key };
                    carried.image = image_of(project.image.as_deref(), row.text("image_tag").as_deref());
                    carried.container_port = project.port;
                    carried.owner = Some((project.id, WorkloadKind::Project, role));
                    carried.stage_id = stage.map(|s| s.id);
                }
                None => {
                    carried.row_id = format!("legacy:{suffix}");
                    carried.reason =
                        Some("its project was gone from the earlier design's database".to_owned());
                }
            }
            keys.insert(carried.row_id.clone());
            self.container(row, carried, now);
        }
    }

    /// A row of the index. One without a container is missing, whatever it was said to be: nobody could ever look
    /// whether that is still so, and the next container of its role takes the row. So is one that knows only the
    /// beginning of an id: the engine never answers with that id, and its container's own label leads it back to the
    /// row. Of two rows with one container the newer has it.
    fn container(&mut self, row: &Fields, of: Instance, now: Timestamp) {
        let container = row.text("container_id").map(|id| id.trim().to_ascii_lowercase());
        let container = container.filter(|id| ContainerId::is_whole(id));
        let container = container.filter(|id| self.containers.insert(id.clone())).unwrap_or_default();
        let last_seen = row.time("last_alive_at");
        let created_at = row.time("created_at").unwrap_or(now);
        let said = state_of(&row.text("status").unwrap_or_default());
        let state = if container.is_empty() { State::Missing } else { said };
        let missing_since = (state == State::Missing).then(|| last_seen.unwrap_or(created_at));
        let ports = row.port("port").map(|host_port| Port {
            container_port: of.container_port.unwrap_or(host_port),
            protocol: "tcp".to_owned(),
            host_ip: Some("127.0.0.1".to_owned()),
            host_port: Some(host_port),
        });
        let (workload, kind, role) = match of.owner {
            Some((id, kind, role)) => (Some(id), Some(kind.as_str().to_owned()), Some(role)),
            None => (None, None, None),
        };
        self.push(
            INSTANCES,
            vec![
                text(&of.row_id),
                maybe_text(workload),
                maybe_text(kind),
                maybe_text(role),
                maybe_text(of.reason),
                text(&container),
                text(""),
                text(&of.image),
                text(state.as_str()),
                text(&ports_text(ports.as_slice())),
                maybe_text(of.stage_id),
                maybe_text(row.text("image_tag")),
                maybe_text(row.text("subdomain")),
                last_seen.map_or(Value::Null, time),
                missing_since.map_or(Value::Null, time),
                time(created_at),
                time(now),
                maybe_text(of.legacy_id),
                maybe_text(row.text("npm_proxy_id")),
            ],
        );
    }

    /// Of the settings only the threshold is still one; it stood in a column, or in a row of that key.
    fn settings(&mut self, rows: &[Fields], now: Timestamp) {
        const THRESHOLD: &str = "stale_threshold_days";
        let value = rows.iter().find_map(|row| match row.text("key").as_deref() {
            Some(THRESHOLD) => row.number("value"),
            _ => row.number(THRESHOLD),
        });
        if let Some(days) = value.filter(|days| (0..=3650).contains(days)) {
            self.push(SETTINGS, vec![text(THRESHOLD), text(&days.to_string()), time(now)]);
        }
    }
}

/// What an instance becomes, beside its own columns.
#[derive(Debug, Default)]
struct Instance {
    row_id: String,
    legacy_id: Option<String>,
    owner: Option<(String, WorkloadKind, String)>,
    reason: Option<String>,
    stage_id: Option<String>,
    image: String,
    container_port: Option<u16>,
}

/// The living before the dead, the newer before the older: the first of a role gets its key.
fn newest_first(rows: &[Fields]) -> Vec<&Fields> {
    let mut sorted: Vec<_> = rows.iter().collect();
    sorted.sort_by_key(|row| {
        let alive = row.text("container_id").is_some_and(|id| ContainerId::is_whole(id.trim()))
            && state_of(&row.text("status").unwrap_or_default()).is_alive();
        std::cmp::Reverse((alive, row.time("created_at"), row.time("last_alive_at")))
    });
    sorted
}

/// Names that are taken; a second bearer gets its id behind it.
#[derive(Debug, Default)]
struct Names(BTreeSet<String>);

impl Names {
    fn free(&mut self, name: Option<String>, id: &str) -> String {
        let name = name.map(|n| n.trim().to_owned()).unwrap_or_else(|| id.to_owned());
        let free = if self.0.contains(&name) { format!("{name}-{id}") } else { name };
        self.0.insert(free.clone());
        free
    }
}

fn image_of(image: Option<&str>, tag: Option<&str>) -> String {
    match (image, tag) {
        (Some(image), Some(tag)) => format!("{image}:{tag}"),
        (Some(image), None) => image.to_owned(),
        (None, _) => String::new(),
    }
}

/// A path becomes an HTTP check; an object stays one; anything else is kept as it was.
fn healthcheck(text: Option<String>) -> String {
    let Some(text) = text else { return "{}".to_owned() };
    if is_object(&text) {
        return text;
    }
    let key = if text.starts_with('/') { "path" } else { "legacy" };
    map_text(&BTreeMap::from([(key.to_owned(), text)]))
}

/// An object stays one; a list or lines of `NAME=value` become one.
fn environment(text: Option<String>) -> String {
    let Some(text) = text else { return "{}".to_owned() };
    if is_object(&text) {
        return text;
    }
    let lines = serde_json::from_str::<Vec<String>>(&text)
        .unwrap_or_else(|_| text.lines().map(str::to_owned).collect());
    let pairs = lines.iter().filter_map(|line| line.split_once('='));
    map_text(&pairs.map(|(name, value)| (name.trim().to_owned(), value.to_owned())).collect())
}

fn is_object(text: &str) -> bool {
    serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(text).is_ok()
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

fn maybe_text(text: Option<String>) -> Value {
    text.map_or(Value::Null, Value::Text)
}

fn maybe(number: Option<i64>) -> Value {
    number.map_or(Value::Null, Value::Integer)
}

fn time(t: Timestamp) -> Value {
    Value::Text(time_text(t))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_read_in_every_form_programs_write() {
        let expected = "2025-06-07T08:09:10Z".parse::<Timestamp>().unwrap();
        let seconds = expected.as_second();
        for text in [
            "2025-06-07T08:09:10Z".to_owned(),
            "2025-06-07T10:09:10+02:00".to_owned(),
            "2025-06-07 08:09:10".to_owned(),
            "2025-06-07T08:09:10".to_owned(),
            " 2025-06-07 08:09:10.000 ".to_owned(),
            seconds.to_string(),
            (seconds * 1_000).to_string(),
            (seconds * 1_000_000).to_string(),
            (seconds * 1_000_000_000).to_string(),
        ] {
            assert_eq!(time_of(&text), Some(expected), "{text}");
        }
        for never in ["", "0", "never", "0001-01-01T00:00:00Z", "-5"] {
            assert_eq!(time_of(never), None, "{never}");
        }
        assert!(time_of("2025-06-07").is_some_and(|t| t < expected));
    }

    #[test]
    fn a_status_of_either_vocabulary_becomes_a_state() {
        let cases = [
            ("running", State::Running),
            ("Exited", State::Stopped),
            ("stopped", State::Stopped),
            ("dead", State::Failed),
            ("failed", State::Failed),
            ("missing", State::Missing),
            ("deploying", State::Deploying),
            ("", State::Unknown),
            ("weird", State::Unknown),
        ];
        for (word, state) in cases {
            assert_eq!(state_of(word), state, "{word}");
        }
    }

    #[test]
    fn environment_and_healthcheck_become_objects() {
        assert_eq!(environment(None), "{}");
        assert_eq!(environment(Some("{\"A\": \"1\"}".into())), "{\"A\": \"1\"}");
        assert_eq!(environment(Some("[\"A=1\",\"B=x=y\"]".into())), "{\"A\":\"1\",\"B\":\"x=y\"}");
        assert_eq!(environment(Some("A=1\n\nB=2\nnothing".into())), "{\"A\":\"1\",\"B\":\"2\"}");
        assert_eq!(healthcheck(Some("/up".into())), "{\"path\":\"/up\"}");
        assert_eq!(healthcheck(Some("curl x".into())), "{\"legacy\":\"curl x\"}");
    }
}
