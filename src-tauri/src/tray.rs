//! The tray: a picture made of what was heard, and the thin adapter that draws it.
//!
//! [`Board`] keeps the little that the tray shows; [`Board::picture`] decides icon, tooltip and menu; [`Tray`] draws
//! a picture and only when it differs from the one that hangs.

use std::collections::BTreeMap;

use tauri::image::Image;
use tauri::menu::{Menu, MenuBuilder, MenuItemBuilder};
use tauri::tray::{MouseButton, MouseButtonState, TrayIcon, TrayIconBuilder, TrayIconEvent};
use tauri::{AppHandle, Manager as _, Wry};
use tinyforge_core::control::commands::{PauseNotices, ResumeNotices};
use tinyforge_core::control::shapes::{
    Announcement, ApiError, Container, EngineState, NoticeRules, Snapshot,
};
use tinyforge_core::rules::container::State;
use tinyforge_core::rules::verdict::Level;

use crate::link::{Link, Standing};
use crate::window;

const ID: &str = "tinyforge";
const OPEN: &str = "open";
const QUIT: &str = "quit";
const PAUSE_AN_HOUR: &str = "pause-an-hour";
const PAUSE_A_DAY: &str = "pause-a-day";
const RESUME: &str = "resume";
const HOUR_S: u32 = 3_600;
const DAY_S: u32 = 24 * HOUR_S;
/// A menu entry that leads to a container carries its row's id behind this.
const CONTAINER: &str = "container:";
/// A menu is read at a glance; what does not fit is counted.
const MOST_ENTRIES: usize = 8;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Icon {
    Fine,
    Warn,
    Bad,
    /// There is no telling: no core, or no engine.
    Away,
}

/// What hangs in the tray.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    pub icon: Icon,
    /// One line that says what the icon says; also the head of the menu.
    pub headline: String,
    pub entries: Vec<Entry>,
    /// Running workloads beyond those with an entry.
    pub more: usize,
    pub notices: Notices,
}

/// What the menu offers about notifications.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Notices {
    /// Nothing is known of them, or they are switched off: nothing is offered.
    #[default]
    Off,
    /// They can be paused.
    On,
    Paused,
}

/// A running workload's container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub row: String,
    pub text: String,
}

/// What the tray has heard so far.
#[derive(Debug, Clone)]
pub struct Board {
    standing: Standing,
    engine: Option<EngineState>,
    revision: u64,
    rows: BTreeMap<String, Row>,
    notices: Notices,
}

#[derive(Debug, Clone)]
struct Row {
    /// `shop/dev`; `None` for a foreign container.
    workload: Option<String>,
    state: State,
    level: Level,
}

impl Default for Board {
    fn default() -> Self {
        Self {
            standing: Standing::Starting,
            engine: None,
            revision: 0,
            rows: BTreeMap::new(),
            notices: Notices::Off,
        }
    }
}

impl Board {
    pub fn stand(&mut self, standing: Standing) {
        self.standing = standing;
    }

    pub fn reset(&mut self, snapshot: &Snapshot) {
        self.revision = snapshot.revision;
        self.engine = Some(snapshot.status.engine.state);
        self.rows = snapshot.containers.iter().map(|c| (c.id.clone(), Row::of(c))).collect();
    }

    pub fn rule(&mut self, rules: &NoticeRules) {
        self.notices = match rules.paused_until {
            _ if !rules.enabled => Notices::Off,
            Some(_) => Notices::Paused,
            None => Notices::On,
        };
    }

    pub fn hear(&mut self, announcement: &Announcement) {
        match announcement {
            Announcement::Patch(patch) if patch.revision > self.revision => {
                self.revision = patch.revision;
                for id in &patch.removals {
                    self.rows.remove(id);
                }
                self.rows.extend(patch.upserts.iter().map(|c| (c.id.clone(), Row::of(c))));
            }
            Announcement::Status(status) => self.engine = Some(status.engine.state),
            Announcement::NoticeRules(rules) => self.rule(rules),
            Announcement::Patch(_)
            | Announcement::Gap(_)
            | Announcement::Stale(_)
            | Announcement::Notice(_)
            | Announcement::Setting { .. }
            | Announcement::Lagged { .. }
            | Announcement::Gone { .. } => {}
        }
    }

    #[must_use]
    pub fn picture(&self) -> Picture {
        if let Some(headline) = self.why_away() {
            let (icon, notices) = (Icon::Away, self.offered());
            return Picture { icon, headline, entries: Vec::new(), more: 0, notices };
        }
        let mut running: Vec<Entry> = self.rows.iter().filter_map(|(id, row)| row.entry(id)).collect();
        running.sort_by(|a, b| a.text.cmp(&b.text).then_with(|| a.row.cmp(&b.row)));
        let more = running.len().saturating_sub(MOST_ENTRIES);
        running.truncate(MOST_ENTRIES);
        let notices = self.offered();
        Picture { icon: self.icon(), headline: self.counts(), entries: running, more, notices }
    }

    /// Without a core there is nobody to ask for a pause.
    fn offered(&self) -> Notices {
        match self.standing {
            Standing::Own { .. } | Standing::Attached { .. } => self.notices,
            Standing::Starting
            | Standing::Lost { .. }
            | Standing::VersionDiffers { .. }
            | Standing::Failed { .. } => Notices::Off,
        }
    }

    fn why_away(&self) -> Option<String> {
        match &self.standing {
            Standing::Starting => return Some("Starting…".to_owned()),
            Standing::Lost { .. } => return Some("The daemon is gone; trying again".to_owned()),
            Standing::VersionDiffers { .. } => return Some("The daemon has another version".to_owned()),
            Standing::Failed { .. } => return Some("Tinyforge could not start".to_owned()),
            Standing::Own { .. } | Standing::Attached { .. } => {}
        }
        match self.engine {
            None => Some("Reading the engine…".to_owned()),
            Some(EngineState::Connected) => None,
            Some(EngineState::Away) => Some("The engine does not answer".to_owned()),
            Some(EngineState::Denied) => Some("The engine may not be used by this user".to_owned()),
            Some(EngineState::Absent) => Some("No engine was found".to_owned()),
        }
    }

    /// The worst verdict. A container that nobody gave into our care never turns the tray red: it may be somebody's
    /// experiment, and red means that something of the user's is broken.
    fn icon(&self) -> Icon {
        let worst = self.rows.values().map(Row::weight).max().unwrap_or(Level::Fine);
        match worst {
            Level::Fine | Level::Info => Icon::Fine,
            Level::Warn => Icon::Warn,
            Level::Bad => Icon::Bad,
        }
    }

    fn counts(&self) -> String {
        let running = self.rows.values().filter(|row| row.state == State::Running).count();
        match self.rows.values().filter(|row| row.weight() >= Level::Warn).count() {
            0 => format!("{running} running"),
            1 => format!("{running} running · 1 needs a look"),
            several => format!("{running} running · {several} need a look"),
        }
    }
}

impl Row {
    fn of(container: &Container) -> Self {
        let role = container.role.as_deref().map(|role| format!("/{role}")).unwrap_or_default();
        Self {
            workload: container.workload_name.as_ref().map(|name| format!("{name}{role}")),
            state: container.state,
            level: container.verdict.level,
        }
    }

    fn weight(&self) -> Level {
        self.level.weight(self.workload.is_none())
    }

    fn entry(&self, id: &str) -> Option<Entry> {
        let workload = self.workload.as_ref().filter(|_| self.state == State::Running)?;
        let mark = if self.level >= Level::Warn { '▲' } else { '●' };
        Some(Entry { row: id.to_owned(), text: format!("{mark} {workload}") })
    }
}

/// The icon that hangs in the tray.
pub struct Tray {
    icon: TrayIcon,
    hanging: Option<Picture>,
}

impl Tray {
    pub fn hang(app: &AppHandle) -> tauri::Result<Self> {
        let picture = Board::default().picture();
        let icon = TrayIconBuilder::with_id(ID)
            .icon(image(picture.icon)?)
            .tooltip(&picture.headline)
            .menu(&menu(app, &picture)?)
            .show_menu_on_left_click(false)
            .on_menu_event(|app, event| chosen(app, event.id().as_ref()))
            .on_tray_icon_event(|tray, event| {
                if let TrayIconEvent::Click {
                    button: MouseButton::Left,
                    button_state: MouseButtonState::Up,
                    ..
                } = event
                {
                    window::show(tray.app_handle());
                }
            })
            .build(app)?;
        Ok(Self { icon, hanging: Some(picture) })
    }

    /// Draws what differs from what hangs there.
    pub fn draw(&mut self, app: &AppHandle, picture: Picture) -> tauri::Result<()> {
        let before = self.hanging.as_ref();
        if before == Some(&picture) {
            return Ok(());
        }
        if before.is_none_or(|before| before.icon != picture.icon) {
            self.icon.set_icon(Some(image(picture.icon)?))?;
        }
        self.icon.set_tooltip(Some(&picture.headline))?;
        self.icon.set_menu(Some(menu(app, &picture)?))?;
        self.hanging = Some(picture);
        Ok(())
    }
}

fn image(icon: Icon) -> tauri::Result<Image<'static>> {
    let png: &[u8] = match icon {
        Icon::Fine => include_bytes!("../../icons/tray/tray-fine.png"),
        Icon::Warn => include_bytes!("../../icons/tray/tray-warn.png"),
        Icon::Bad => include_bytes!("../../icons/tray/tray-bad.png"),
        Icon::Away => include_bytes!("../../icons/tray/tray-away.png"),
    };
    Image::from_bytes(png)
}

fn menu(app: &AppHandle, picture: &Picture) -> tauri::Result<Menu<Wry>> {
    let words = |text: String| MenuItemBuilder::new(text).enabled(false).build(app);
    let mut menu = MenuBuilder::new(app).item(&words(picture.headline.clone())?).separator();
    for entry in &picture.entries {
        menu = menu.text(format!("{CONTAINER}{}", entry.row), &entry.text);
    }
    if picture.more > 0 {
        menu = menu.item(&words(format!("and {} more", picture.more))?);
    }
    if !picture.entries.is_empty() {
        menu = menu.separator();
    }
    menu = menu.text(OPEN, "Open Tinyforge").separator();
    menu = match picture.notices {
        Notices::Off => menu,
        Notices::On => menu
            .text(PAUSE_AN_HOUR, "Pause notifications for an hour")
            .text(PAUSE_A_DAY, "Pause notifications for a day")
            .separator(),
        Notices::Paused => menu.text(RESUME, "Resume notifications").separator(),
    };
    menu.text(QUIT, "Quit").build()
}

fn chosen(app: &AppHandle, id: &str) {
    match id.strip_prefix(CONTAINER) {
        Some(row) => window::show_container(app, row),
        None if id == OPEN => window::show(app),
        None if id == QUIT => window::quit(app),
        None if id == PAUSE_AN_HOUR => pause(app, Some(HOUR_S)),
        None if id == PAUSE_A_DAY => pause(app, Some(DAY_S)),
        None if id == RESUME => pause(app, None),
        None => {}
    }
}

/// For so many seconds; `None` ends a pause.
fn pause(app: &AppHandle, for_s: Option<u32>) {
    let app = app.clone();
    tauri::async_runtime::spawn(async move {
        let link = app.state::<Link>();
        let asked: Result<NoticeRules, ApiError> = match for_s {
            Some(_) => link.ask(PauseNotices { until: None, for_s }).await,
            None => link.ask(ResumeNotices {}).await,
        };
        if let Err(error) = asked {
            tracing::warn!(%error, "notifications cannot be paused or resumed");
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(workload: Option<&str>, state: State, level: Level) -> Row {
        Row { workload: workload.map(str::to_owned), state, level }
    }

    fn board(rows: &[Row]) -> Board {
        Board {
            standing: Standing::Own { home: "/home".into() },
            engine: Some(EngineState::Connected),
            revision: 1,
            rows: rows.iter().enumerate().map(|(n, row)| (format!("r{n}"), row.clone())).collect(),
            notices: Notices::On,
        }
    }

    #[test]
    fn the_icon_is_the_worst_verdict_and_a_foreign_container_never_turns_it_red() {
        let cases = [
            (vec![], Icon::Fine),
            (vec![row(Some("shop/dev"), State::Running, Level::Info)], Icon::Fine),
            (vec![row(Some("shop/dev"), State::Running, Level::Warn)], Icon::Warn),
            (
                vec![
                    row(Some("shop/dev"), State::Stopped, Level::Bad),
                    row(None, State::Running, Level::Fine),
                ],
                Icon::Bad,
            ),
            (vec![row(None, State::Stopped, Level::Bad)], Icon::Warn),
        ];
        for (rows, expected) in cases {
            assert_eq!(board(&rows).picture().icon, expected, "{rows:?}");
        }
    }

    #[test]
    fn without_an_engine_or_a_core_nothing_is_claimed() {
        let full = board(&[row(Some("shop/dev"), State::Running, Level::Bad)]);
        for engine in [None, Some(EngineState::Away), Some(EngineState::Denied), Some(EngineState::Absent)] {
            let picture = Board { engine, ..full.clone() }.picture();
            assert_eq!((picture.icon, picture.entries), (Icon::Away, vec![]), "{engine:?}");
        }
        let mut lost = full;
        lost.stand(Standing::Lost { reason: "killed".into() });
        assert_eq!(lost.picture().icon, Icon::Away);
    }

    #[test]
    fn the_menu_lists_running_workloads_by_name_and_counts_the_rest() {
        let mut rows: Vec<Row> =
            (0..10).map(|n| row(Some(&format!("w{n}/dev")), State::Running, Level::Fine)).rev().collect();
        rows.push(row(Some("asleep/dev"), State::Stopped, Level::Fine));
        rows.push(row(None, State::Running, Level::Fine));
        let picture = board(&rows).picture();
        assert_eq!(picture.headline, "11 running");
        assert_eq!(picture.entries.len(), MOST_ENTRIES);
        assert_eq!(picture.entries[0].text, "● w0/dev");
        assert_eq!(picture.more, 2);
    }

    #[test]
    fn a_pause_is_offered_only_where_somebody_could_pause() {
        let rules = |enabled, paused_until| NoticeRules { enabled, paused_until, unheard: 0, mutes: vec![] };
        let later = serde_json::from_value(serde_json::json!("2026-01-02T03:04:05Z")).unwrap();
        let mut board = board(&[]);
        for (rules, offered) in [
            (rules(true, None), Notices::On),
            (rules(true, Some(later)), Notices::Paused),
            (rules(false, Some(later)), Notices::Off),
            (rules(false, None), Notices::Off),
            (rules(true, None), Notices::On),
        ] {
            board.rule(&rules);
            assert_eq!(board.picture().notices, offered, "{rules:?}");
        }
        board.stand(Standing::Lost { reason: "killed".into() });
        assert_eq!(board.picture().notices, Notices::Off);
    }

    #[test]
    fn the_headline_counts_what_needs_a_look() {
        let one = board(&[
            row(Some("shop/dev"), State::Running, Level::Warn),
            row(None, State::Running, Level::Fine),
        ]);
        assert_eq!(one.picture().headline, "2 running · 1 needs a look");
    }
}
