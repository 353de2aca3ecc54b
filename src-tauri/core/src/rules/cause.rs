//! Who or what brought a change about, judged from what the events said and what we were doing.
//!
//! An event's facts are evidence here and nowhere else: the state itself always comes from an inspect.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::container::State;

/// The cause of a change, as far as there is evidence for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, specta::Type)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// An operation of ours.
    Own,
    /// Someone else's act on the engine: `docker stop`, `docker rm`, `docker run`.
    Foreign,
    /// Compose, at work on one of its projects.
    Compose,
    /// The program ended by itself, or its own health check changed its mind.
    Exit,
    /// The kernel killed it for want of memory.
    Oom,
    /// The engine stopped, started or restarted.
    EngineRestart,
    /// It happened while the machine slept or we were frozen.
    Sleep,
    /// The evidence was lost.
    Unknown,
}

impl Cause {
    pub const ALL: &'static [Self] = &[
        Self::Own,
        Self::Foreign,
        Self::Compose,
        Self::Exit,
        Self::Oom,
        Self::EngineRestart,
        Self::Sleep,
        Self::Unknown,
    ];

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Own => "own",
            Self::Foreign => "foreign",
            Self::Compose => "compose",
            Self::Exit => "exit",
            Self::Oom => "oom",
            Self::EngineRestart => "engine_restart",
            Self::Sleep => "sleep",
            Self::Unknown => "unknown",
        }
    }

    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|cause| cause.as_str() == word)
    }
}

/// What an event said was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    Create,
    Start,
    Kill,
    Die,
    Stop,
    Restart,
    Pause,
    Unpause,
    Oom,
    Rename,
    Update,
    Destroy,
    Health,
    Network,
    Other,
}

/// What one event tells about a container since it was last looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clue {
    pub deed: Deed,
    pub at: Timestamp,
    /// The signal of a kill, as its number or its name.
    pub signal: Option<String>,
    /// Whether Compose was seen at work on the container's project around that time.
    pub compose: bool,
}

/// An operation of ours on a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OwnAct {
    Start,
    Stop,
    Restart,
}

/// Why the index had to be looked over as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doubt {
    /// The first pass after our own start.
    Boot,
    /// The engine was gone: it stopped and started, and so did what it runs.
    EngineAway,
    /// The connection was lost and found again; the engine may not have noticed.
    Reconnected,
    /// The machine slept, or our process was frozen.
    Asleep,
    /// The wall clock jumped.
    ClockJumped,
    /// Someone asked for it.
    Asked,
}

/// Everything a cause can be judged from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Evidence {
    /// Oldest first.
    pub clues: Vec<Clue>,
    /// What we were doing to the container, or had just done.
    pub own: Vec<OwnAct>,
    /// Set where the change was found by a pass after a doubt.
    pub doubt: Option<Doubt>,
    /// The engine may keep to itself who stopped a container, as Podman's does.
    pub may_hide_a_stop: bool,
}

impl Evidence {
    #[must_use]
    pub fn last(&self, deed: Deed) -> Option<&Clue> {
        self.clues.iter().rev().find(|clue| clue.deed == deed)
    }

    /// Whether we were doing that; a restart is both of its halves.
    fn is_ours(&self, act: OwnAct) -> bool {
        self.own.iter().any(|own| *own == act || *own == OwnAct::Restart)
    }

    fn has(&self, deed: Deed) -> bool {
        self.last(deed).is_some()
    }

    /// The kill that led to the death: the last one before it, unless the program lived on with it.
    #[must_use]
    pub fn fatal_kill(&self) -> Option<&Clue> {
        self.before_the_death(Deed::Kill)
    }

    /// Somebody's stop of the run that ended, told before its death. Podman tells nothing else; Docker tells a kill, and
    /// the stop only when all is over.
    fn stop(&self) -> Option<&Clue> {
        self.before_the_death(Deed::Stop)
    }

    /// The kernel's word that it killed for want of memory, unless somebody's kill came after it: then it was a child
    /// that died of it, and the program lived on.
    fn out_of_memory(&self) -> bool {
        let (Some(oom), Some(death)) = (self.last(Deed::Oom), self.last(Deed::Die)) else { return false };
        let near = Duration::try_from(death.at.duration_since(oom.at).abs()).unwrap_or_default() <= OOM_REACH;
        near && self.fatal_kill().is_none_or(|kill| kill.at < oom.at)
    }

    /// The same, with the death that an inspect shows where no event told it: only if somebody's act is at hand that
    /// led to it, for without one its cause is not known.
    #[must_use]
    pub fn with_death_at(&self, at: Option<Timestamp>) -> Self {
        let told = self.has(Deed::Die);
        let Some(at) = at.filter(|_| !told) else { return self.clone() };
        let death = Clue { deed: Deed::Die, at, signal: None, compose: false };
        let clues = self.clues.iter().cloned().chain([death]).collect();
        let completed = Self { clues, ..self.clone() };
        let led_to = completed.fatal_kill().or_else(|| completed.stop()).is_some();
        if led_to { completed } else { self.clone() }
    }

    /// The last such deed of the run that ended, if the death came within its reach.
    fn before_the_death(&self, deed: Deed) -> Option<&Clue> {
        let death = self.clues.iter().rposition(|clue| clue.deed == Deed::Die)?;
        let (before, died) = (self.clues.get(..death)?, self.clues.get(death)?.at);
        let of_this_run = before.iter().rev().take_while(|clue| clue.deed != Deed::Start);
        let told = of_this_run.into_iter().find(|clue| clue.deed == deed)?;
        let later = Duration::try_from(died.duration_since(told.at)).unwrap_or_default();
        (later <= told.reach()).then_some(told)
    }
}

/// What of the events that a look was made for may explain a later end, where the look found the container alive: a
/// signal is told before the death, and what was told of an earlier run explains nothing of this one.
#[must_use]
pub fn left_to_explain(clues: &[Clue]) -> Vec<Clue> {
    let ends_a_run = |clue: &Clue| matches!(clue.deed, Deed::Start | Deed::Die);
    let this_run = clues.iter().rposition(ends_a_run).map_or(0, |last| last + 1);
    clues.iter().skip(this_run).filter(|clue| clue.explains_what_follows()).cloned().collect()
}

impl Clue {
    /// Whether it may explain a change that is yet to come.
    #[must_use]
    pub fn explains_what_follows(&self) -> bool {
        matches!(self.deed, Deed::Kill | Deed::Stop | Deed::Oom)
    }

    /// For how long after it an end is put down to it.
    #[must_use]
    pub fn reach(&self) -> Duration {
        let name = self.signal.as_deref().unwrap_or_default().trim_start_matches("SIG");
        if LIVED_WITH.contains(&name) { LIVED_WITH_REACH } else { KILL_REACH }
    }
}

/// Signals that programs take as a message: HUP, USR1, USR2, CONT, URG, WINCH, by number and by name.
const LIVED_WITH: [&str; 12] =
    ["1", "10", "12", "18", "23", "28", "HUP", "USR1", "USR2", "CONT", "URG", "WINCH"];
/// A program that such a signal does end, ends at once.
const LIVED_WITH_REACH: Duration = Duration::from_secs(1);
/// The kernel kills at once; what dies later lived on without a child of its.
const OOM_REACH: Duration = Duration::from_secs(5);
/// A program that is asked to end has a grace of ten seconds by default, and often a longer one.
pub const KILL_REACH: Duration = Duration::from_secs(60);

/// The causes that are left where no event tells.
fn without_evidence(evidence: &Evidence) -> Cause {
    match evidence.doubt {
        Some(Doubt::EngineAway) => Cause::EngineRestart,
        Some(Doubt::Asleep) => Cause::Sleep,
        Some(Doubt::Reconnected | Doubt::Boot | Doubt::ClockJumped | Doubt::Asked) | None => Cause::Unknown,
    }
}

fn somebody(clue: &Clue) -> Cause {
    if clue.compose { Cause::Compose } else { Cause::Foreign }
}

/// What a program that was killed leaves as its exit code: 128 and the signal's number.
const KILLED: i64 = 137;

/// Whether an exit code says that a signal ended the program.
fn is_by_signal(code: i64) -> bool {
    (129..=192).contains(&code)
}

/// Whose an end was, with what is known of it besides: a program that the kernel killed for want of memory leaves the
/// code of a kill, and where the engine may have been asked to stop it and not told, an end by a signal is nobody's.
#[must_use]
pub fn of_end_with(evidence: &Evidence, oom_killed: bool, exit_code: Option<i64>) -> Cause {
    match of_end(evidence, oom_killed && exit_code.is_none_or(|code| code == KILLED)) {
        Cause::Exit if evidence.may_hide_a_stop && exit_code.is_some_and(is_by_signal) => Cause::Unknown,
        cause => cause,
    }
}

/// Why a container that had a process has none any more, or has another one. An engine that starts kills what its
/// last life left behind, and tells it by the same events as anybody's kill.
#[must_use]
pub fn of_end(evidence: &Evidence, oom_killed: bool) -> Cause {
    if evidence.is_ours(OwnAct::Stop) {
        return Cause::Own;
    }
    // The engine's flag stands for the whole run: it may be of a child that died long before somebody's kill.
    let flagged = oom_killed && evidence.fatal_kill().or_else(|| evidence.stop()).is_none();
    if flagged || evidence.out_of_memory() {
        return Cause::Oom;
    }
    if evidence.doubt == Some(Doubt::EngineAway) {
        return Cause::EngineRestart;
    }
    if let Some(act) = evidence.fatal_kill().or_else(|| evidence.stop()) {
        return somebody(act);
    }
    if evidence.has(Deed::Die) {
        return Cause::Exit;
    }
    without_evidence(evidence)
}

/// How long after an end a stop that brought it may be told.
const LATE_STOP: Duration = Duration::from_secs(5);
/// How long after a stop Compose may take to remove what it has stopped: it goes on at once.
const COMPOSE_DOWN: Duration = Duration::from_secs(5);

/// Whose stop an end was that looked like the program's own: Podman may tell it after the death that it brought. Only of
/// a container without a policy, for it tells a policy's restart by the same word.
#[must_use]
pub fn of_a_late_stop(clues: &[Clue], ended: Timestamp) -> Option<Cause> {
    let of_this_end = clues.iter().rev().take_while(|clue| clue.deed != Deed::Start);
    let stop = of_this_end.into_iter().find(|clue| clue.deed == Deed::Stop)?;
    is_within(LATE_STOP, ended, stop.at).then(|| somebody(stop))
}

/// Whose a stop was that looked like anybody's, by what followed it: Compose stops first and removes afterwards.
#[must_use]
pub fn of_a_stop_that_ends_in_removal(clues: &[Clue], ended: Timestamp) -> Option<Cause> {
    let removal = clues.iter().rev().find(|clue| clue.deed == Deed::Destroy && clue.compose)?;
    is_within(COMPOSE_DOWN, ended, removal.at).then_some(Cause::Compose)
}

fn is_within(span: Duration, one: Timestamp, other: Timestamp) -> bool {
    other.duration_since(one).unsigned_abs() <= span
}

/// Why a container runs that did not. An engine that comes back starts what its policies say, and tells it by the
/// same event as anybody's start.
#[must_use]
pub fn of_start(evidence: &Evidence, by_policy: bool) -> Cause {
    if evidence.is_ours(OwnAct::Start) {
        return Cause::Own;
    }
    if evidence.doubt == Some(Doubt::EngineAway) {
        return Cause::EngineRestart;
    }
    if by_policy {
        return Cause::Exit;
    }
    evidence.last(Deed::Start).map_or_else(|| without_evidence(evidence), somebody)
}

/// Why a state changed in any other way.
#[must_use]
pub fn of_state(from: Option<State>, to: State, evidence: &Evidence) -> Cause {
    let told_by = |deed| evidence.last(deed).map_or_else(|| without_evidence(evidence), somebody);
    match to {
        State::Paused => told_by(Deed::Pause),
        State::Running if from == Some(State::Paused) => told_by(Deed::Unpause),
        State::Created => told_by(Deed::Create),
        State::Removing | State::Missing => told_by(Deed::Destroy),
        State::Running
        | State::Restarting
        | State::Stopped
        | State::Failed
        | State::Deploying
        | State::Unknown => without_evidence(evidence),
    }
}

/// Why a container is no longer there. One that removes itself at its end is gone by its own exit.
#[must_use]
pub fn of_removal(evidence: &Evidence, auto_remove: bool) -> Cause {
    if auto_remove && evidence.has(Deed::Die) {
        return of_end(evidence, false);
    }
    evidence.last(Deed::Destroy).map_or_else(|| without_evidence(evidence), somebody)
}

/// Why a name or an image is another one: it was renamed, or another container has taken the row.
#[must_use]
pub fn of_rename(evidence: &Evidence) -> Cause {
    let told = [Deed::Rename, Deed::Create, Deed::Start].into_iter().find_map(|deed| evidence.last(deed));
    told.map_or_else(|| without_evidence(evidence), somebody)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clue(deed: Deed) -> Clue {
        Clue { deed, at: Timestamp::UNIX_EPOCH, signal: None, compose: false }
    }

    fn seen(deeds: &[Deed]) -> Evidence {
        Evidence { clues: deeds.iter().copied().map(clue).collect(), ..Evidence::default() }
    }

    #[test]
    fn the_same_end_has_a_different_cause_by_its_evidence() {
        use Deed::{Die, Kill, Oom, Start, Stop};
        let by_compose = Evidence {
            clues: vec![Clue { compose: true, ..clue(Kill) }, clue(Die), clue(Stop)],
            ..Evidence::default()
        };
        let ours = Evidence { own: vec![OwnAct::Stop], ..seen(&[Kill, Die, Stop]) };
        let after = |doubt| Evidence { doubt: Some(doubt), ..Evidence::default() };
        let cases = [
            ("our own stop", ours, false, Cause::Own),
            ("docker stop", seen(&[Kill, Die, Stop]), false, Cause::Foreign),
            ("docker kill", seen(&[Kill, Die]), false, Cause::Foreign),
            ("a stop in Podman's words", seen(&[Stop, Die]), false, Cause::Foreign),
            ("an exit that Podman's policy restarted", seen(&[Die, Stop]), false, Cause::Exit),
            ("a stop, a start, an exit", seen(&[Stop, Die, Start, Die]), false, Cause::Exit),
            ("compose", by_compose, false, Cause::Compose),
            ("the program", seen(&[Die]), false, Cause::Exit),
            ("a survived signal, a restart, an exit", seen(&[Kill, Die, Start, Die]), false, Cause::Exit),
            ("out of memory by event", seen(&[Oom, Die]), false, Cause::Oom),
            ("out of memory by inspect alone", seen(&[Die]), true, Cause::Oom),
            ("a child out of memory, then a kill", seen(&[Kill, Die]), false, Cause::Foreign),
            ("found after the engine was away", after(Doubt::EngineAway), false, Cause::EngineRestart),
            (
                "killed by an engine that starts",
                Evidence { clues: seen(&[Kill, Die]).clues, ..after(Doubt::EngineAway) },
                false,
                Cause::EngineRestart,
            ),
            (
                "killed by somebody beside a reconnect",
                Evidence { clues: seen(&[Kill, Die]).clues, ..after(Doubt::Reconnected) },
                false,
                Cause::Foreign,
            ),
            ("found after a sleep", after(Doubt::Asleep), false, Cause::Sleep),
            ("found at our start", after(Doubt::Boot), false, Cause::Unknown),
            ("nothing known", Evidence::default(), false, Cause::Unknown),
        ];
        for (what, evidence, oom_killed, expected) in cases {
            assert_eq!(of_end(&evidence, oom_killed), expected, "{what}");
        }
    }

    #[test]
    fn a_signal_that_the_program_lived_with_does_not_explain_its_end() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let kill = |signal: &str| Clue { signal: Some(signal.into()), at: at(0), ..clue(Deed::Kill) };
        let ended = |signal, second| Evidence {
            clues: vec![kill(signal), Clue { at: at(second), ..clue(Deed::Die) }],
            ..Evidence::default()
        };
        assert_eq!(of_end(&ended("15", 9), false), Cause::Foreign, "within its grace");
        assert_eq!(of_end(&ended("1", 9), false), Cause::Exit, "it had reloaded its configuration");
        assert_eq!(of_end(&ended("SIGHUP", 0), false), Cause::Foreign, "that one did end it");
        assert_eq!(of_end(&ended("15", 600), false), Cause::Exit);
    }

    #[test]
    fn a_death_that_no_event_told_is_the_act_that_led_to_it_or_not_known() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let asleep = |deeds: &[Deed]| Evidence {
            clues: deeds.iter().map(|deed| Clue { at: at(10), ..clue(*deed) }).collect(),
            doubt: Some(Doubt::Asleep),
            ..Evidence::default()
        };
        let cause = |deeds: &[Deed]| of_end(&asleep(deeds).with_death_at(Some(at(12))), false);
        assert_eq!(cause(&[Deed::Kill]), Cause::Foreign);
        assert_eq!(cause(&[]), Cause::Sleep);
        assert_eq!(cause(&[Deed::Kill, Deed::Start]), Cause::Sleep, "of an earlier run");
    }

    #[test]
    fn a_child_that_ran_out_of_memory_explains_no_later_end() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let told = |told: &[(Deed, i64)]| Evidence {
            clues: told.iter().map(|(deed, second)| Clue { at: at(*second), ..clue(*deed) }).collect(),
            ..Evidence::default()
        };
        use Deed::{Die, Kill, Oom, Stop};
        assert_eq!(of_end(&told(&[(Oom, 0), (Die, 1)]), false), Cause::Oom);
        assert_eq!(of_end(&told(&[(Oom, 0), (Die, 60)]), false), Cause::Exit, "it lived on");
        assert_eq!(of_end(&told(&[(Oom, 0), (Kill, 2), (Die, 3)]), true), Cause::Foreign, "and was stopped");
        assert_eq!(of_end(&told(&[(Kill, 0), (Oom, 1), (Die, 1)]), false), Cause::Oom);
        assert_eq!(of_end(&told(&[(Stop, 0), (Die, 90)]), false), Cause::Exit, "a stop of long ago");
    }

    #[test]
    fn what_is_told_after_an_end_may_say_whose_it_was() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let told = |deed, second, compose| Clue { at: at(second), compose, ..clue(deed) };
        use Deed::{Destroy, Die, Start, Stop};
        let late = |clues: &[Clue]| of_a_late_stop(clues, at(10));
        assert_eq!(late(&[told(Die, 10, false), told(Stop, 15, false)]), Some(Cause::Foreign));
        assert_eq!(late(&[told(Stop, 15, true)]), Some(Cause::Compose));
        assert_eq!(late(&[told(Stop, 16, false)]), None, "too late to have brought it");
        assert_eq!(late(&[told(Stop, 10, false), told(Start, 11, false)]), None, "of an earlier run");
        assert_eq!(late(&[told(Die, 10, false)]), None);
        let removed =
            |second, compose| of_a_stop_that_ends_in_removal(&[told(Destroy, second, compose)], at(10));
        assert_eq!(removed(15, true), Some(Cause::Compose));
        assert_eq!(removed(16, true), None, "another act");
        assert_eq!(removed(11, false), None, "anybody's");
    }

    #[test]
    fn what_was_told_of_an_earlier_run_is_not_kept_for_this_one() {
        use Deed::{Die, Kill, Oom, Pause, Restart, Start, Stop};
        let kept = |deeds: &[Deed]| -> Vec<Deed> {
            left_to_explain(&seen(deeds).clues).into_iter().map(|clue| clue.deed).collect()
        };
        assert_eq!(kept(&[Kill]), [Kill]);
        assert_eq!(kept(&[Stop, Pause]), [Stop]);
        assert_eq!(kept(&[Kill, Die, Stop, Start, Restart]), []);
        assert_eq!(kept(&[Stop, Start, Restart]), []);
        assert_eq!(kept(&[Start, Oom]), [Oom]);
        assert_eq!(kept(&[Kill, Die]), []);
    }

    #[test]
    fn a_start_is_ours_somebodys_the_policys_or_the_engines() {
        let ours = Evidence { own: vec![OwnAct::Start], ..seen(&[Deed::Start]) };
        assert_eq!(of_start(&ours, false), Cause::Own);
        assert_eq!(of_start(&seen(&[Deed::Start]), false), Cause::Foreign);
        assert_eq!(of_start(&seen(&[Deed::Die, Deed::Start]), true), Cause::Exit);
        let away = Evidence { doubt: Some(Doubt::EngineAway), ..Evidence::default() };
        assert_eq!(of_start(&away, false), Cause::EngineRestart);
    }

    #[test]
    fn an_own_stop_does_not_explain_a_start() {
        let stopping = Evidence { own: vec![OwnAct::Stop], ..seen(&[Deed::Start]) };
        assert_eq!(of_start(&stopping, false), Cause::Foreign);
        let starting = Evidence { own: vec![OwnAct::Start], ..seen(&[Deed::Die]) };
        assert_eq!(of_end(&starting, false), Cause::Exit);
    }

    #[test]
    fn a_container_that_removes_itself_went_by_its_own_exit() {
        let run_rm = seen(&[Deed::Die, Deed::Destroy]);
        assert_eq!(of_removal(&run_rm, true), Cause::Exit);
        assert_eq!(of_removal(&run_rm, false), Cause::Foreign);
        assert_eq!(of_removal(&seen(&[Deed::Destroy]), true), Cause::Foreign, "removed before it ran");
        assert_eq!(of_removal(&Evidence::default(), false), Cause::Unknown);
    }

    #[test]
    fn causes_read_back() {
        for cause in Cause::ALL {
            assert_eq!(Cause::parse(cause.as_str()), Some(*cause));
            assert_eq!(serde_json::to_value(cause).unwrap(), cause.as_str());
        }
    }
}
