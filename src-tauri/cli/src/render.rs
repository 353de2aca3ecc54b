//! The answers as text for people. Data and `now` in, text out.

use comfy_table::{Attribute, Cell, Color, ColumnConstraint, ContentArrangement, Table, presets};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use tinyforge_core::control::shapes::{
    Acted, Backup, Container, ContainerAt, EngineState, EngineStatus, Finding, HistoryEntry, HistoryField,
    IndexAt, LogEntry, PartState, Setting, Status, Verification,
};
use tinyforge_core::rules::cause::Cause;
use tinyforge_core::rules::container::{Health, Port, State};
use tinyforge_core::rules::verdict::{Level, Tally};

use crate::output::Look;
use crate::text::{ago, brief, bytes, clock, clock_after, count, milliseconds, plain, span};

/// Shown where there is nothing to show.
pub const NOTHING: &str = "—";

/// Between two columns.
const GUTTER: u16 = 2;

/// What rendering needs besides the data.
#[derive(Debug, Clone)]
pub struct View {
    pub look: Look,
    pub now: Timestamp,
    pub zone: TimeZone,
}

/// A state's mark, its word, and how it is coloured. The mark and the word say it without the colour.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Mark {
    mark: char,
    words: String,
    colour: Option<Color>,
}

impl Mark {
    fn of(state: State, health: Health, exit_code: Option<i64>, level: Level) -> Self {
        let failed = level >= Level::Warn;
        let (mark, colour) = match state {
            State::Running => match health {
                Health::Unhealthy => ('▲', Some(Color::Red)),
                Health::Starting => ('◐', Some(Color::Yellow)),
                Health::None | Health::Healthy => ('●', Some(Color::Green)),
            },
            State::Created | State::Deploying => ('◐', Some(Color::Yellow)),
            State::Stopped if failed => ('▲', Some(Color::Red)),
            State::Stopped if exit_code == Some(0) => ('✓', None),
            State::Stopped => ('○', None),
            State::Restarting => ('↻', Some(Color::Yellow)),
            State::Paused => ('‖', Some(Color::Blue)),
            State::Failed => ('✕', Some(Color::Red)),
            State::Removing => ('–', None),
            State::Missing => ('◌', Some(Color::Yellow)),
            State::Unknown => ('?', Some(Color::Yellow)),
        };
        let detail = match (state, health, exit_code) {
            (State::Running, Health::Unhealthy | Health::Starting | Health::Healthy, _) => {
                format!(" ({health})")
            }
            (State::Stopped, _, Some(code)) => format!(" ({code})"),
            _ => String::new(),
        };
        Self { mark, words: format!("{state}{detail}"), colour }
    }

    fn cell(&self) -> Cell {
        coloured(format!("{} {}", self.mark, self.words), self.colour)
    }
}

pub fn containers(list: &[Container], all: bool, view: &View) -> String {
    if list.is_empty() {
        return if all {
            "no containers"
        } else {
            "no containers of workloads; --all shows foreign ones too"
        }
        .to_owned();
    }
    let mut table = table(&["STATE", "NAME", "WORKLOAD", "IMAGE", "PORTS", "SINCE", "VERDICT"], view);
    for container in list {
        let verdict = if container.verdict.level == Level::Fine {
            String::new()
        } else {
            plain(&container.verdict.text)
        };
        let mark = Mark::of(container.state, container.health, container.exit_code, container.verdict.level);
        table.add_row([
            mark.cell(),
            Cell::new(brief(&container.name)),
            Cell::new(whose(container.workload_name.as_deref(), container.role.as_deref())),
            Cell::new(brief(&container.image)),
            Cell::new(ports(&container.ports)),
            Cell::new(ago(since(container), view.now)),
            coloured(verdict, level_colour(container.verdict.level)),
        ]);
    }
    finished(table, view, &[4, 3, 2])
}

/// Since when it has been what it is, as far as the row tells.
fn since(container: &Container) -> Timestamp {
    let known = if container.state.is_alive() { container.started_at } else { container.last_seen_at };
    known.unwrap_or(container.created_at)
}

pub fn whose(workload: Option<&str>, role: Option<&str>) -> String {
    match (workload, role) {
        (Some(workload), Some(role)) => brief(&format!("{workload}/{role}")),
        (Some(workload), None) => brief(workload),
        (None, _) => NOTHING.to_owned(),
    }
}

fn ports(ports: &[Port]) -> String {
    let published: Vec<String> = ports.iter().filter_map(published).collect();
    if published.is_empty() { NOTHING.to_owned() } else { published.join(", ") }
}

fn published(port: &Port) -> Option<String> {
    let host_port = port.host_port?;
    let host = match port.host_ip.as_deref() {
        None | Some("" | "0.0.0.0" | "::") => "*".to_owned(),
        Some(ip) if ip.contains(':') => format!("[{}]", plain(ip)),
        Some(ip) => plain(ip),
    };
    let protocol = if port.protocol == "tcp" { String::new() } else { format!("/{}", plain(&port.protocol)) };
    Some(format!("{host}:{host_port}→{}{protocol}", port.container_port))
}

/// Whether a daemon holds the data folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Host<'a> {
    Daemon { version: &'a str },
    SilentDaemon { pid: Option<u32> },
    Nobody,
}

/// The first line says who answers.
pub fn status(status: &Status, host: Host<'_>, view: &View) -> String {
    let ours = plain(&status.version);
    let mut lines = vec![match host {
        Host::Daemon { version } => {
            let which = status.pid.map_or_else(String::new, |pid| format!(" with pid {pid}"));
            let up = status.uptime_s.map_or_else(String::new, |seconds| format!(", up {}", span(seconds)));
            format!("tinyforge {}, daemon{which}{up}", plain(version))
        }
        Host::SilentDaemon { pid } => {
            let which = pid.map_or_else(String::new, |pid| format!(" with pid {pid}"));
            format!("tinyforge {ours}, the daemon{which} does not answer")
        }
        Host::Nobody => format!("tinyforge {ours}, no daemon runs (start one with: tinyforge serve)"),
    }];
    let mut part = |name: &str, text: String| lines.push(format!("{name:<10}{text}"));
    part("engine", engine(&status.engine, view));
    let index = &status.index;
    part(
        "index",
        format!(
            "{}, revision {}, {}",
            count(index.containers, "container"),
            index.revision,
            index
                .verified_at
                .map_or("never verified".to_owned(), |at| format!("verified {}", ago(at, view.now))),
        ),
    );
    let pass = index.last_pass_ms.map_or(String::new(), |ms| format!(", the last in {}", milliseconds(ms)));
    part(
        "",
        format!(
            "{}{pass}, {}, {}",
            count(index.passes, "pass"),
            count(index.events, "event"),
            count(index.divergences, "divergence"),
        ),
    );
    part("verdict", verdicts(&status.verdicts));
    let database = &status.database;
    let judged = match (&database.note, database.ok) {
        (None, true) => String::new(),
        (None, false) => ", damaged".to_owned(),
        (Some(note), _) => format!(", {}", plain(note)),
    };
    part(
        "database",
        format!(
            "{}, {}, schema {}{judged}",
            plain(&database.path),
            bytes(database.bytes),
            database.schema_version
        ),
    );
    part(
        "proxy",
        listener(status.proxy.address.as_deref(), status.proxy.address.is_some(), &status.proxy.state),
    );
    part("webhook", listener(status.webhook.address.as_deref(), status.webhook.enabled, "on"));
    part(
        "dns",
        listener(status.dns.address.as_deref(), status.dns.enabled, &format!("zone {}", status.dns.zone)),
    );
    lines.join("\n")
}

/// The worst verdict, and how many need somebody.
fn verdicts(tally: &Tally) -> String {
    let broken = format!("{} broken", tally.bad);
    let odd = format!("{} to look at", tally.warn);
    match tally.worst {
        Level::Fine | Level::Info => "● no container needs anybody".to_owned(),
        Level::Warn => format!("▲ {odd}"),
        Level::Bad if tally.warn == 0 => format!("✕ {broken}"),
        Level::Bad => format!("✕ {broken}, {odd}"),
    }
}

fn engine(engine: &EngineStatus, view: &View) -> String {
    let endpoint = plain(&engine.endpoint);
    if engine.state == EngineState::Connected && engine.reason.is_none() {
        let version = engine.version.as_deref().map_or("of unknown version".to_owned(), plain);
        let api = engine.api_version.as_deref().map_or(String::new(), |api| format!(", API {}", plain(api)));
        let latency = engine.latency_ms.map_or(String::new(), |ms| format!(", {}", milliseconds(ms)));
        return format!(
            "● connected since {} to {version}{api} at {endpoint}{latency}",
            ago(engine.since, view.now)
        );
    }
    format!(
        "▲ {} since {} at {endpoint}: {}",
        engine.state.as_str(),
        ago(engine.since, view.now),
        why(engine)
    )
}

/// The reason and the cure, as sentences.
fn why(engine: &EngineStatus) -> String {
    let sentences = [&engine.reason, &engine.cure].into_iter().flatten();
    let sentences: Vec<String> =
        sentences.map(|text| format!("{}.", plain(text).trim_end_matches('.'))).collect();
    if sentences.is_empty() { "the reason is not known.".to_owned() } else { sentences.join(" ") }
}

fn listener(address: Option<&str>, enabled: bool, state: &str) -> String {
    match address {
        Some(address) if enabled => format!("{} ({})", plain(address), plain(state)),
        _ => "off".to_owned(),
    }
}

/// What standard error says where an answer comes from an index that the engine does not confirm at the moment, or that
/// stands still because it cannot be written.
pub fn age(status: &Status, now: Timestamp) -> Option<String> {
    if status.engine.state == EngineState::Connected && status.engine.reason.is_none() {
        let trouble = status.database.note.as_deref().filter(|_| !status.database.ok)?;
        return Some(format!(
            "{}. This is the index as it was last written.",
            plain(trouble).trim_end_matches('.')
        ));
    }
    let shown = status.index.verified_at.map_or_else(
        || "The index was never verified".to_owned(),
        |at| format!("This is the index as it was verified {}", ago(at, now)),
    );
    Some(format!("the engine is {}: {} {shown}.", status.engine.state.as_str(), why(&status.engine)))
}

/// What standard error says of containers that the engine lists and cannot describe: an answer without them is not whole.
pub fn unreadable(status: &Status) -> Option<String> {
    let count = status.index.unreadable;
    let (they, them) =
        if count == 1 { ("1 container".to_owned(), "it") } else { (format!("{count} containers"), "them") };
    (count > 0).then(|| {
        format!(
            "{they} cannot be inspected: {them} the index has as last known, or not at all. `tinyforge doctor` says more."
        )
    })
}

pub fn verification(verification: &Verification, view: &View) -> String {
    let checked = count(verification.checked, "container");
    if verification.equal {
        return format!("equal: {checked} checked");
    }
    let mut table = table(&["CONTAINER", "FIELD", "INDEX", "ENGINE"], view);
    for difference in &verification.differences {
        let value = |value: &Option<String>| value.as_deref().map_or(NOTHING.to_owned(), plain);
        table.add_row([
            short(&difference.container_id),
            plain(&difference.field),
            value(&difference.index),
            value(&difference.engine),
        ]);
    }
    let differences = count(verification.differences.len() as u64, "difference");
    format!("{}\n{differences} in {checked} checked", finished(table, view, &[]))
}

fn short(id: &str) -> String {
    plain(id.get(..12).unwrap_or(id))
}

pub fn findings(findings: &[Finding], view: &View) -> String {
    let mut table = table(&["", "PART", "FINDING"], view);
    for finding in findings {
        let (mark, colour) = match finding.state {
            PartState::Ok => ("✓", Some(Color::Green)),
            PartState::Warn => ("▲", Some(Color::Yellow)),
            PartState::Fail => ("✕", Some(Color::Red)),
        };
        let cure = finding.cure.as_deref().map_or(String::new(), |cure| format!("\n→ {}", plain(cure)));
        table.add_row([
            coloured(format!("{mark} {}", finding.state.as_str()), colour),
            Cell::new(plain(&finding.part)),
            Cell::new(format!("{}{cure}", plain(&finding.text))),
        ]);
    }
    finished(table, view, &[])
}

pub fn history(entries: &[HistoryEntry], view: &View) -> String {
    let mut table = table(&["WHEN", "", "CHANGE", "CAUSE"], view);
    for entry in entries {
        table.add_row([
            clock(entry.at, &view.zone),
            ago(entry.at, view.now),
            change(entry, &view.zone),
            because(entry),
        ]);
    }
    finished(table, view, &[1])
}

pub fn events(entries: &[LogEntry], view: &View) -> String {
    if entries.is_empty() {
        return "nothing has happened yet".to_owned();
    }
    let mut table = table(&["WHEN", "CONTAINER", "WORKLOAD", "CHANGE", "CAUSE"], view);
    for LogEntry { name, workload_name, role, entry, level, .. } in entries {
        table.add_row([
            Cell::new(clock(entry.at, &view.zone)),
            Cell::new(called(name)),
            Cell::new(whose(workload_name.as_deref(), role.as_deref())),
            coloured(format!("{}{}", weight(*level), change(entry, &view.zone)), level_colour(*level)),
            Cell::new(because(entry)),
        ]);
    }
    finished(table, view, &[2])
}

/// One line of what happens while somebody watches.
pub fn event(line: &LogEntry, view: &View) -> String {
    let entry = &line.entry;
    let (when, change) = (clock(entry.at, &view.zone), change(entry, &view.zone));
    format!("{when}  {}  {}{change}  {}", called(&line.name), weight(line.level), because(entry))
}

/// What stands before a change that somebody should know of.
fn weight(level: Level) -> &'static str {
    match level {
        Level::Fine | Level::Info => "",
        Level::Warn => "▲ ",
        Level::Bad => "✕ ",
    }
}

/// A container's name; a gap concerns all of them and names none.
fn called(name: &str) -> String {
    if name.is_empty() { NOTHING.to_owned() } else { plain(name) }
}

fn change(entry: &HistoryEntry, zone: &TimeZone) -> String {
    let field = match entry.field {
        HistoryField::State => "",
        HistoryField::Health => "health ",
        HistoryField::Image => "image ",
        HistoryField::Name => "name ",
        HistoryField::Gap => {
            return format!("not verified until {}", clock_after(entry.at, entry.recorded_at, zone));
        }
    };
    match (entry.from.as_deref(), entry.to.as_deref()) {
        (Some(from), Some(to)) => format!("{field}{} → {}", plain(from), plain(to)),
        (None, Some(to)) => format!("{field}{}", plain(to)),
        (Some(from), None) => format!("{field}{} → gone", plain(from)),
        (None, None) => format!("{field}{NOTHING}"),
    }
}

fn because(entry: &HistoryEntry) -> String {
    if entry.field == HistoryField::Gap {
        return unwatched(entry.detail.as_deref().unwrap_or_default());
    }
    let cause = match entry.cause {
        Cause::Own => "tinyforge",
        Cause::Foreign => "someone else",
        Cause::Compose => "Compose",
        Cause::Exit => "by itself",
        Cause::Oom => "out of memory",
        Cause::EngineRestart => "engine restart",
        Cause::Sleep => "while asleep",
        Cause::Unknown => "unknown",
    };
    entry.detail.as_deref().map_or(cause.to_owned(), |detail| format!("{cause}: {}", plain(detail)))
}

pub fn index_at(index: &IndexAt, view: &View) -> String {
    let head = format!("as of {} ({})", clock(index.at, &view.zone), ago(index.at, view.now));
    if index.containers.is_empty() {
        return format!("{head}: no containers");
    }
    let mut table = table(&["STATE", "NAME", "WORKLOAD", "IMAGE", "SINCE"], view);
    for ContainerAt { name, image, workload_name, role, state, health, since, .. } in &index.containers {
        table.add_row([
            Mark::of(*state, *health, None, Level::Fine).cell(),
            Cell::new(plain(name)),
            Cell::new(whose(workload_name.as_deref(), role.as_deref())),
            Cell::new(plain(image)),
            Cell::new(clock(*since, &view.zone)),
        ]);
    }
    format!("{head}\n{}", finished(table, view, &[3, 2]))
}

/// What standard error says of a moment that nobody watched.
pub fn gap(index: &IndexAt, zone: &TimeZone) -> Option<String> {
    let gap = index.gap.as_ref()?;
    let to = clock(gap.to, zone);
    let Some(from) = gap.from else {
        return Some(match gap.reason.as_str() {
            "never_looked" => "no engine has been looked at yet: nothing is known".to_owned(),
            _ => format!(
                "nothing is known before {to}, when this engine was first looked at: what is shown is worked out from what was found then"
            ),
        });
    };
    let why = unwatched(&gap.reason);
    let from = clock(from, zone);
    Some(format!("nothing was verified from {from} to {to} ({why}): what is shown is what was known before"))
}

/// Why nobody watched, in words.
fn unwatched(reason: &str) -> String {
    match reason {
        "not_running" => "tinyforge was not running".to_owned(),
        "engine_away" => "the engine was away".to_owned(),
        "asleep" => "the machine was asleep, or tinyforge was frozen".to_owned(),
        other => plain(other),
    }
}

pub fn acted(list: &[Acted]) -> String {
    list.iter()
        .filter(|acted| acted.error.is_none())
        .map(|acted| {
            let mark = Mark::of(acted.state, Health::None, None, Level::Fine);
            format!("{} {} {}\n", mark.mark, plain(&acted.name), mark.words)
        })
        .collect()
}

/// What standard error says of those that did not do as they were told.
pub fn refused(acted: &Acted) -> Option<String> {
    Some(format!("{}: {}", plain(&acted.name), plain(acted.error.as_deref()?)))
}

pub fn settings(list: &[Setting], view: &View) -> String {
    let mut table = table(&["KEY", "VALUE", "DEFAULT", "WHAT IT IS FOR"], view);
    for setting in list {
        table.add_row([
            plain(&setting.key),
            plain(&setting.value),
            plain(&setting.default),
            match &setting.now {
                None => plain(&setting.explanation),
                Some(now) => format!("{} (now {})", plain(&setting.explanation), plain(now)),
            },
        ]);
    }
    finished(table, view, &[2, 3])
}

pub fn setting(setting: &Setting) -> String {
    format!("{} = {}", plain(&setting.key), plain(&setting.value))
}

pub fn backups(list: &[Backup], view: &View) -> String {
    if list.is_empty() {
        return "no copies yet".to_owned();
    }
    let mut table = table(&["NAME", "MADE", "", "SIZE", "SCHEMA", "WHY"], view);
    for backup in list {
        table.add_row([
            plain(&backup.name),
            clock(backup.created_at, &view.zone),
            ago(backup.created_at, view.now),
            bytes(backup.bytes),
            backup.schema_version.to_string(),
            plain(&backup.reason),
        ]);
    }
    finished(table, view, &[2, 4])
}

pub fn table(header: &[&str], view: &View) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    if view.look.colour {
        table.enforce_styling();
    } else {
        table.force_no_tty();
    }
    if let Some(width) = view.look.width {
        table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
    } else {
        table.set_content_arrangement(ContentArrangement::Disabled);
    }
    table.set_header(header.iter().map(|title| {
        let cell = Cell::new(title);
        if view.look.colour { cell.add_attribute(Attribute::Bold) } else { cell }
    }));
    let last = header.len().saturating_sub(1);
    for (at, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, if at == last { 0 } else { GUTTER }));
    }
    table
}

/// How wide the last column, which holds sentences, has to be at least before others give way to it.
const SENTENCE: u16 = 24;

/// The table as text. Where the terminal is too narrow, the columns named in `yielding` are left out one after the
/// other until the rest fits; what still does not fit is folded.
pub fn finished(mut table: Table, view: &View, yielding: &[usize]) -> String {
    if let Some(width) = view.look.width {
        let mut widths = table.column_max_content_widths();
        if let Some(last) = widths.last_mut() {
            *last = (*last).min(SENTENCE);
        }
        let mut needed: u16 =
            widths.iter().map(|width| width.saturating_add(GUTTER)).fold(0, u16::saturating_add);
        for at in yielding {
            if needed <= width {
                break;
            }
            needed = needed.saturating_sub(widths.get(*at).map_or(0, |width| width.saturating_add(GUTTER)));
            if let Some(column) = table.column_mut(*at) {
                column.set_constraint(ColumnConstraint::Hidden);
            }
        }
        // The first column holds a mark or a time, which nobody can read folded.
        if let Some(first) = table.column_mut(0) {
            first.set_constraint(ColumnConstraint::ContentWidth);
        }
    }
    table.trim_fmt()
}

fn coloured(text: String, colour: Option<Color>) -> Cell {
    let cell = Cell::new(text);
    match colour {
        Some(colour) => cell.fg(colour),
        None => cell,
    }
}

fn level_colour(level: Level) -> Option<Color> {
    match level {
        Level::Fine | Level::Info => None,
        Level::Warn => Some(Color::Yellow),
        Level::Bad => Some(Color::Red),
    }
}

#[cfg(test)]
mod tests;
