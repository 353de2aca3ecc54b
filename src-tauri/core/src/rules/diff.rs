//! What differs between a row and a fresh inspect, and which of it belongs into the history.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::cause::{self, Cause, Deed, Evidence};
use super::container::{Health, State};
use super::planted::{self as fault, Bug};
use super::row::Facts;

/// What the history keeps of a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, specta::Type)]
#[serde(rename_all = "snake_case")]
pub enum Field {
    State,
    Health,
    Image,
    Name,
}

impl Field {
    pub const ALL: &'static [Self] = &[Self::State, Self::Health, Self::Image, Self::Name];

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::State => "state",
            Self::Health => "health",
            Self::Image => "image",
            Self::Name => "name",
        }
    }

    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|field| field.as_str() == word)
    }
}

/// One change, as it goes into the history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    pub field: Field,
    /// `None` where there was nothing before.
    pub from: Option<String>,
    /// `None` where there is nothing any more.
    pub to: Option<String>,
    /// When it happened: the engine's own time where it tells one.
    pub at: Timestamp,
    pub cause: Cause,
    /// The exit code, the signal, the engine's own sentence.
    pub detail: Option<String>,
}

/// The history of a container that had no row.
#[must_use]
pub fn appeared(after: &Facts, evidence: &Evidence, now: Timestamp) -> Vec<Change> {
    let created = after.container_created_at.unwrap_or(now);
    let by = cause::of_state(None, State::Created, evidence);
    if after.state == State::Created {
        return vec![state_change(None, State::Created, created, by, after.error.clone())];
    }
    let has_ended = matches!(after.state, State::Stopped | State::Failed | State::Restarting);
    if let Some(started) = after.started_at.filter(|_| has_ended && evidence.last(Deed::Create).is_some()) {
        let begun = state_change(None, State::Running, started, by, None);
        return vec![begun, ended(State::Running, after.state, after, evidence, now)];
    }
    vec![state_change(None, after.state, since(after).unwrap_or(created), by, ending(after, evidence))]
}

/// The history between two observations of one container, oldest first.
#[must_use]
pub fn changed(before: &Facts, after: &Facts, evidence: &Evidence, now: Timestamp) -> Vec<Change> {
    let mut changes = state_changes(before, after, evidence, now);
    if before.health != after.health {
        // A check that ends with its program says nothing of its own.
        let cause = changes.last().map_or(Cause::Exit, |state| state.cause);
        changes.push(health_change(before.health, after.health, cause, evidence, now));
    }
    // A row that was carried over from the earlier design knows neither name nor image, and not when it was started.
    if before.name != after.name && !before.name.is_empty() {
        let at = time_of(evidence, Deed::Rename).unwrap_or(now);
        changes.push(text_change(Field::Name, &before.name, &after.name, at, evidence));
    }
    if !before.image_id.is_empty() && (&before.image, &before.image_id) != (&after.image, &after.image_id) {
        changes.push(text_change(Field::Image, &image(before), &image(after), now, evidence));
    }
    changes
}

/// The last line of a container that is gone. One that removes itself at its end is gone by what ended it: `ended` is what
/// did, where that is known already.
#[must_use]
pub fn vanished(before: &Facts, ended: Option<Cause>, evidence: &Evidence, now: Timestamp) -> Change {
    let at = time_of(evidence, Deed::Destroy).unwrap_or(now);
    let removes_itself = before.auto_remove && !before.state.is_alive();
    let cause =
        ended.filter(|_| removes_itself).unwrap_or_else(|| cause::of_removal(evidence, before.auto_remove));
    Change {
        field: Field::State,
        from: Some(before.state.to_string()),
        to: Some(State::Missing.to_string()),
        at,
        cause,
        detail: None,
    }
}

/// A state that changed, with the end and the new start between two runs told apart.
fn state_changes(before: &Facts, after: &Facts, evidence: &Evidence, now: Timestamp) -> Vec<Change> {
    let another_run = after.started_at != before.started_at && after.started_at.is_some();
    let had_process = matches!(before.state, State::Running | State::Paused);
    let same_run_unknown = before.started_at.is_none();
    // The engine counts a turn of its policy when the turn begins; only somebody's act cuts a turn short.
    let counted = after.restart_count > before.restart_count && before.state != State::Created;
    let policy = counted || before.state == State::Restarting && evidence.last(Deed::Restart).is_none();
    match (had_process, after.state) {
        (true, State::Running | State::Paused) if another_run && !same_run_unknown => {
            let mut changes = vec![ended(before.state, State::Stopped, after, evidence, now)];
            if fault::is(Bug::TheHistoryLeavesAnEndOut) {
                changes.clear();
            }
            changes.push(started(State::Stopped, after, evidence, policy, now));
            changes.extend(paused_since_start(after, evidence, now));
            changes
        }
        (_, state) if state == before.state && !ended_again(before, after) => vec![],
        (true, State::Stopped | State::Failed | State::Restarting | State::Removing)
            if another_run && !same_run_unknown =>
        {
            let again = started(State::Stopped, after, evidence, policy, now);
            let first = ended_before(&again, before.state, evidence);
            vec![first, again, ended(State::Running, after.state, after, evidence, now)]
        }
        (true, State::Stopped | State::Failed | State::Restarting | State::Removing) => {
            vec![ended(before.state, after.state, after, evidence, now)]
        }
        (false, State::Stopped | State::Failed) if before.state == State::Restarting && !another_run => {
            vec![ended(before.state, after.state, after, evidence, now)]
        }
        (false, State::Running | State::Paused) => {
            let mut changes = vec![started(before.state, after, evidence, policy, now)];
            changes.extend(paused_since_start(after, evidence, now));
            changes
        }
        (false, State::Stopped | State::Failed | State::Restarting) if another_run => {
            let begun = started(before.state, after, evidence, policy, now);
            vec![begun, ended(State::Running, after.state, after, evidence, now)]
        }
        (_, to) => {
            let at = time_of_state(to, evidence).unwrap_or(now);
            let cause = cause::of_state(Some(before.state), to, evidence);
            vec![state_change(Some(before.state), to, at, cause, after.error.clone())]
        }
    }
}

/// A whole run between two observations of a container that had ended in both.
fn ended_again(before: &Facts, after: &Facts) -> bool {
    let ended = matches!(after.state, State::Stopped | State::Failed | State::Restarting);
    ended && before.started_at != after.started_at && after.started_at.is_some()
}

fn paused_since_start(after: &Facts, evidence: &Evidence, now: Timestamp) -> Option<Change> {
    (after.state == State::Paused).then(|| {
        let at = time_of(evidence, Deed::Pause).unwrap_or(now);
        let cause = cause::of_state(Some(State::Running), State::Paused, evidence);
        state_change(Some(State::Running), State::Paused, at, cause, None)
    })
}

fn ended(from: State, to: State, after: &Facts, evidence: &Evidence, now: Timestamp) -> Change {
    let at = after.finished_at.or_else(|| time_of(evidence, Deed::Die)).unwrap_or(now);
    let evidence = evidence.with_death_at(after.finished_at);
    let cause = match cause::of_end_with(&evidence, after.oom_killed, after.exit_code) {
        cause @ (Cause::Exit | Cause::Unknown) if to == State::Stopped && !after.has_a_policy() => {
            cause::of_a_late_stop(&evidence.clues, at).unwrap_or(cause)
        }
        cause => cause,
    };
    state_change(Some(from), to, at, cause, ending(after, &evidence))
}

/// The end of a run of which only the next one's times are left: its own time is that of the first death that was told,
/// or at the latest when the next run began.
fn ended_before(next: &Change, from: State, evidence: &Evidence) -> Change {
    let restarted = evidence.clues.iter().rposition(|clue| clue.deed == Deed::Start);
    let clues: Vec<_> = evidence.clues.iter().take(restarted.unwrap_or(0)).cloned().collect();
    let died = clues.iter().find(|clue| clue.deed == Deed::Die).map(|clue| clue.at);
    let cause = cause::of_end(&Evidence { clues, ..evidence.clone() }, false);
    state_change(Some(from), State::Stopped, died.map_or(next.at, |at| at.min(next.at)), cause, None)
}

fn started(from: State, after: &Facts, evidence: &Evidence, by_policy: bool, now: Timestamp) -> Change {
    let at = after.started_at.unwrap_or(now);
    let detail = by_policy.then(|| format!("restarted by its policy, {} so far", after.restart_count));
    state_change(Some(from), State::Running, at, cause::of_start(evidence, by_policy), detail)
}

/// The exit code that a change's detail begins with, where it tells an end.
#[must_use]
pub fn exit_code_in(detail: &str) -> Option<i64> {
    detail.strip_prefix(EXIT)?.split(',').next()?.parse().ok()
}

const EXIT: &str = "exit ";

/// The exit code and the signal, in one line.
fn ending(after: &Facts, evidence: &Evidence) -> Option<String> {
    let code = after.exit_code.map(|code| format!("{EXIT}{code}"));
    let signal = evidence.fatal_kill().and_then(|kill| kill.signal.as_deref()).map(|s| format!("signal {s}"));
    let said = [code, signal, after.error.clone()];
    let parts: Vec<String> = said.into_iter().flatten().filter(|part| !part.is_empty()).collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

fn health_change(from: Health, to: Health, cause: Cause, evidence: &Evidence, now: Timestamp) -> Change {
    Change {
        field: Field::Health,
        from: Some(from.to_string()),
        to: Some(to.to_string()),
        at: time_of(evidence, Deed::Health).unwrap_or(now),
        cause,
        detail: None,
    }
}

fn state_change(
    from: Option<State>,
    to: State,
    at: Timestamp,
    cause: Cause,
    detail: Option<String>,
) -> Change {
    let from = from.map(|state| state.to_string());
    Change { field: Field::State, from, to: Some(to.to_string()), at, cause, detail }
}

fn text_change(field: Field, from: &str, to: &str, at: Timestamp, evidence: &Evidence) -> Change {
    let (from, to) = (Some(from.to_owned()), Some(to.to_owned()));
    Change { field, from, to, at, cause: cause::of_rename(evidence), detail: None }
}

fn image(facts: &Facts) -> String {
    if facts.image == facts.image_id {
        facts.image.clone()
    } else {
        format!("{} {}", facts.image, facts.image_id)
    }
}

/// The image as its container names it, of what a line of the history says of an image.
#[must_use]
pub fn image_named(said: &str) -> &str {
    said.split_once(' ').map_or(said, |(name, _id)| name)
}

/// Since when the container has been in its state, by its own times.
fn since(facts: &Facts) -> Option<Timestamp> {
    if facts.state.is_alive() { facts.started_at } else { facts.finished_at }
}

fn time_of(evidence: &Evidence, deed: Deed) -> Option<Timestamp> {
    evidence.last(deed).map(|clue| clue.at)
}

fn time_of_state(to: State, evidence: &Evidence) -> Option<Timestamp> {
    match to {
        State::Paused => time_of(evidence, Deed::Pause),
        State::Running => time_of(evidence, Deed::Unpause),
        State::Removing | State::Missing => time_of(evidence, Deed::Destroy),
        State::Created => time_of(evidence, Deed::Create),
        State::Stopped | State::Failed | State::Restarting => time_of(evidence, Deed::Die),
        State::Deploying | State::Unknown => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::cause::{Clue, OwnAct};

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    fn facts(state: State) -> Facts {
        Facts {
            name: "web".into(),
            image: "shop:v1".into(),
            image_id: "sha256:1".into(),
            state,
            health: Health::None,
            exit_code: None,
            oom_killed: false,
            restart_count: 0,
            error: None,
            ports: vec![],
            labels: [].into(),
            container_created_at: Some(at(0)),
            started_at: (state != State::Created).then(|| at(1)),
            finished_at: None,
            restart_policy: "no".into(),
            auto_remove: false,
        }
    }

    fn seen(deeds: &[Deed]) -> Evidence {
        let clue = |deed: &Deed| Clue { deed: *deed, at: at(50), signal: None, compose: false };
        Evidence { clues: deeds.iter().map(clue).collect(), ..Evidence::default() }
    }

    /// `field from→to @second cause detail`, one line each.
    fn told(changes: &[Change]) -> Vec<String> {
        changes
            .iter()
            .map(|c| {
                let second = c.at.as_second() - 1_800_000_000;
                let from = c.from.as_deref().unwrap_or("-");
                let to = c.to.as_deref().unwrap_or("-");
                let detail = c.detail.as_deref().map(|d| format!(" ({d})")).unwrap_or_default();
                format!("{} {from}→{to} @{second} {}{detail}", c.field.as_str(), c.cause.as_str())
            })
            .collect()
    }

    #[test]
    fn one_that_removes_itself_is_gone_by_what_ended_it() {
        let before = Facts { auto_remove: true, ..facts(State::Running) };
        let after = Facts { exit_code: Some(5), finished_at: Some(at(50)), ..before.clone() };
        let going = Facts { state: State::Removing, ..after };
        let ends = [
            (vec![Deed::Die], "exit"),
            (vec![Deed::Kill, Deed::Die], "foreign"),
            (vec![Deed::Oom, Deed::Die], "oom"),
        ];
        for (deeds, cause) in ends {
            let first = changed(&before, &going, &seen(&deeds), at(99));
            assert_eq!(told(&first).len(), 1);
            assert_eq!(first[0].cause.as_str(), cause, "{first:?}");
            let gone = vanished(&going, Some(first[0].cause), &seen(&[Deed::Destroy]), at(99));
            assert_eq!(gone.cause.as_str(), cause);
        }
        let stays = Facts { auto_remove: false, ..going };
        let gone = vanished(&stays, Some(Cause::Exit), &seen(&[Deed::Destroy]), at(99));
        assert_eq!(gone.cause, Cause::Foreign, "one that does not is removed by somebody");
    }

    #[test]
    fn nothing_changed_is_no_history() {
        for state in State::ALL {
            assert_eq!(changed(&facts(*state), &facts(*state), &Evidence::default(), at(99)), vec![]);
        }
    }

    #[test]
    fn a_death_is_told_with_the_engines_time_and_the_exit_code() {
        let dead = Facts { exit_code: Some(3), finished_at: Some(at(40)), ..facts(State::Stopped) };
        let found = changed(&facts(State::Running), &dead, &seen(&[Deed::Die]), at(99));
        assert_eq!(told(&found), ["state running→stopped @40 exit (exit 3)"]);
    }

    #[test]
    fn a_stop_that_comes_after_the_death_is_somebodys_where_no_policy_is() {
        let dead = Facts { exit_code: Some(0), finished_at: Some(at(50)), ..facts(State::Stopped) };
        let found = changed(&facts(State::Running), &dead, &seen(&[Deed::Die, Deed::Stop]), at(99));
        assert_eq!(told(&found), ["state running→stopped @50 foreign (exit 0)"]);
        let kept = Facts { restart_policy: "always".into(), ..dead };
        let before = Facts { restart_policy: "always".into(), ..facts(State::Running) };
        let found = changed(&before, &kept, &seen(&[Deed::Die, Deed::Stop]), at(99));
        assert_eq!(told(&found), ["state running→stopped @50 exit (exit 0)"], "it may be the policy's");
    }

    #[test]
    fn the_exit_code_is_read_out_of_a_detail() {
        let cases = [
            ("exit 3", Some(3)),
            ("exit 137, signal 9", Some(137)),
            ("exit -1, no", Some(-1)),
            ("signal 9", None),
            ("exit x", None),
            ("", None),
        ];
        for (detail, expected) in cases {
            assert_eq!(exit_code_in(detail), expected, "{detail:?}");
        }
    }

    #[test]
    fn a_restart_between_two_looks_is_an_end_and_a_start() {
        let again = Facts { started_at: Some(at(60)), finished_at: Some(at(58)), ..facts(State::Running) };
        let found =
            changed(&facts(State::Running), &again, &seen(&[Deed::Kill, Deed::Die, Deed::Start]), at(99));
        assert_eq!(
            told(&found),
            ["state running→stopped @58 foreign", "state stopped→running @60 foreign"],
            "the exit code of the first run is gone, its end is not"
        );
    }

    #[test]
    fn a_restart_and_an_end_between_two_looks_are_two_runs() {
        let crashed = Facts {
            started_at: Some(at(60)),
            finished_at: Some(at(61)),
            exit_code: Some(1),
            ..facts(State::Stopped)
        };
        let deeds = [Deed::Kill, Deed::Die, Deed::Start, Deed::Die];
        let found = changed(&facts(State::Running), &crashed, &seen(&deeds), at(99));
        assert_eq!(
            told(&found),
            [
                "state running→stopped @50 foreign",
                "state stopped→running @60 foreign",
                "state running→stopped @61 exit (exit 1)"
            ]
        );
        let found = changed(&facts(State::Running), &crashed, &Evidence::default(), at(99));
        assert_eq!(
            told(&found)[0],
            "state running→stopped @60 unknown",
            "when it was over by, at the latest"
        );
    }

    #[test]
    fn a_whole_run_between_two_looks_is_a_start_and_an_end() {
        let ran = Facts {
            started_at: Some(at(60)),
            finished_at: Some(at(61)),
            exit_code: Some(0),
            ..facts(State::Stopped)
        };
        let found = changed(&facts(State::Created), &ran, &seen(&[Deed::Start, Deed::Die]), at(99));
        assert_eq!(
            told(&found),
            ["state created→running @60 foreign", "state running→stopped @61 exit (exit 0)"]
        );
        let before = Facts { finished_at: Some(at(5)), ..facts(State::Stopped) };
        let found = changed(&before, &ran, &seen(&[Deed::Start, Deed::Die]), at(99));
        assert_eq!(
            told(&found),
            ["state stopped→running @60 foreign", "state running→stopped @61 exit (exit 0)"]
        );
    }

    #[test]
    fn a_row_that_knew_nothing_is_told_no_change_that_nobody_saw() {
        let carried = Facts {
            name: String::new(),
            image: "shop:v1".into(),
            image_id: String::new(),
            started_at: None,
            ..facts(State::Running)
        };
        assert_eq!(told(&changed(&carried, &facts(State::Running), &Evidence::default(), at(99))), [""; 0]);
    }

    #[test]
    fn a_restart_loop_is_told_as_it_turns() {
        let waiting = Facts {
            restart_count: 1,
            exit_code: Some(1),
            finished_at: Some(at(40)),
            ..facts(State::Restarting)
        };
        let found = changed(&facts(State::Running), &waiting, &seen(&[Deed::Die]), at(99));
        assert_eq!(told(&found), ["state running→restarting @40 exit (exit 1)"]);
        let up =
            Facts { started_at: Some(at(60)), exit_code: None, state: State::Running, ..waiting.clone() };
        let found = changed(&waiting, &up, &seen(&[Deed::Start]), at(99));
        assert_eq!(
            told(&found),
            ["state restarting→running @60 exit (restarted by its policy, 1 so far)"],
            "the turn was counted when it began"
        );
        let by_hand = changed(&waiting, &up, &seen(&[Deed::Start, Deed::Restart]), at(99));
        assert_eq!(told(&by_hand), ["state restarting→running @60 foreign"]);
        let turned = Facts {
            started_at: Some(at(60)),
            finished_at: Some(at(61)),
            restart_count: 2,
            ..waiting.clone()
        };
        let found = changed(&waiting, &turned, &seen(&[Deed::Die, Deed::Start, Deed::Die]), at(99));
        assert_eq!(
            told(&found),
            [
                "state restarting→running @60 exit (restarted by its policy, 2 so far)",
                "state running→restarting @61 exit (exit 1)"
            ]
        );
        let given_up = Facts { state: State::Stopped, finished_at: Some(at(70)), ..waiting.clone() };
        let found = changed(&waiting, &given_up, &seen(&[Deed::Die]), at(99));
        assert_eq!(told(&found), ["state restarting→stopped @70 exit (exit 1)"]);
    }

    #[test]
    fn pause_and_unpause_take_the_events_time() {
        let found = changed(&facts(State::Running), &facts(State::Paused), &seen(&[Deed::Pause]), at(99));
        assert_eq!(told(&found), ["state running→paused @50 foreign"]);
        let found = changed(&facts(State::Paused), &facts(State::Running), &seen(&[Deed::Unpause]), at(99));
        assert_eq!(told(&found), ["state paused→running @50 foreign"]);
        let found = changed(&facts(State::Paused), &facts(State::Running), &Evidence::default(), at(99));
        assert_eq!(told(&found), ["state paused→running @99 unknown"], "no event: the time it was found");
    }

    #[test]
    fn health_name_and_image_are_told_beside_the_state() {
        let mut after = facts(State::Running);
        after.health = Health::Unhealthy;
        after.name = "web-2".into();
        after.image = "shop:v2".into();
        let found = changed(&facts(State::Running), &after, &seen(&[Deed::Rename]), at(99));
        assert_eq!(
            told(&found),
            [
                "health none→unhealthy @99 exit",
                "name web→web-2 @50 foreign",
                "image shop:v1 sha256:1→shop:v2 sha256:1 @99 foreign",
            ]
        );
    }

    #[test]
    fn a_first_look_tells_the_state_it_finds() {
        let found = appeared(&facts(State::Created), &seen(&[Deed::Create]), at(99));
        assert_eq!(told(&found), ["state -→created @0 foreign"]);
        let found = appeared(&facts(State::Running), &seen(&[Deed::Create, Deed::Start]), at(99));
        assert_eq!(told(&found), ["state -→running @1 foreign"]);
        let found = appeared(&facts(State::Running), &Evidence::default(), at(99));
        assert_eq!(told(&found), ["state -→running @1 unknown"]);
    }

    #[test]
    fn a_first_look_that_comes_after_the_end_tells_the_run_that_it_saw_begin() {
        let ended = Facts { exit_code: Some(137), finished_at: Some(at(2)), ..facts(State::Stopped) };
        let found = appeared(&ended, &seen(&[Deed::Create, Deed::Start, Deed::Die]), at(99));
        assert_eq!(told(&found), ["state -→running @1 foreign", "state running→stopped @2 exit (exit 137)"]);
        let found = appeared(&ended, &Evidence::default(), at(99));
        assert_eq!(told(&found), ["state -→stopped @2 unknown (exit 137)"], "it was there before us");
    }

    #[test]
    fn our_own_restart_explains_both_halves() {
        let again = Facts { started_at: Some(at(60)), finished_at: Some(at(58)), ..facts(State::Running) };
        let ours = Evidence { own: vec![OwnAct::Restart], ..seen(&[Deed::Kill, Deed::Die, Deed::Start]) };
        let found = changed(&facts(State::Running), &again, &ours, at(99));
        assert_eq!(told(&found), ["state running→stopped @58 own", "state stopped→running @60 own"]);
    }
}
