use super::*;
use crate::rules::cause::{Clue, Deed, Evidence};
use crate::rules::container::WorkloadKind;
use crate::rules::diff;
use crate::rules::ids::{ContainerId, EngineId, RowId, WorkloadId};
use crate::rules::row::Decided;

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
        container_created_at: Some(at(-100)),
        started_at: Some(at(0)),
        finished_at: None,
        restart_policy: "always".into(),
        auto_remove: false,
    }
}

/// The course after a second observation, with the history that it makes.
fn after(course: &Course, was: &Facts, is: &Facts, deeds: &[Deed], now: Timestamp) -> Course {
    let clue = |deed: &Deed| Clue { deed: *deed, at: now, signal: None, compose: false };
    let evidence = Evidence { clues: deeds.iter().map(clue).collect(), ..Evidence::default() };
    let history = diff::changed(was, is, &evidence, now);
    course.after(&Turn { was: Some(was), is, history: &history, probe: Some("HTTP 500"), now })
}

/// As the engine has a container that has just begun to wait for its `turn`-th restart.
fn waiting(turn: u32, ended: i64) -> Facts {
    let started = at(ended - 1);
    Facts {
        restart_count: turn,
        exit_code: Some(1),
        started_at: Some(started),
        finished_at: Some(at(ended)),
        ..facts(State::Restarting)
    }
}

/// A container that its policy restarted at these seconds, each seen.
fn restarted_at(seconds: &[i64]) -> (Course, Facts) {
    let (mut course, mut was) = (Course::default(), facts(State::Running));
    for (nth, second) in seconds.iter().enumerate() {
        let is = waiting(u32::try_from(nth).unwrap() + 1, *second);
        course = after(&course, &was, &is, &[Deed::Die], at(*second));
        was = is;
    }
    (course, was)
}

#[test]
fn restarts_make_a_loop_by_their_span_and_not_by_their_number() {
    let (course, _) = restarted_at(&[10, 20, 30]);
    assert_eq!(course.restarts, [at(10), at(20), at(30)]);
    assert!(course.is_loop(at(30)));
    assert!(course.is_loop(at(609)), "the first lies 599 s back");
    assert!(!course.is_loop(at(610)), "the first lies 600 s back");
    assert!(!restarted_at(&[10, 20]).0.is_loop(at(20)), "two are none");
    let (daily, _) = restarted_at(&[0, 86_400, 172_800, 259_200]);
    assert!(!daily.is_loop(at(259_200)), "four in four days");
    assert_eq!(daily.restarts, [at(259_200)], "and what is long past is forgotten");
}

#[test]
fn a_loop_that_has_calmed_is_noticed_by_the_time_alone_and_written_once() {
    let (course, was) = restarted_at(&[10, 20, 30]);
    assert!(!course.has_calmed(at(609)) && course.has_calmed(at(610)));
    let same = after(&course, &was, &was, &[], at(609));
    assert_eq!(same, course, "nothing befell it: nothing is written");
    let calm = after(&course, &was, &was, &[], at(610));
    assert_eq!(calm.restarts, [at(20), at(30)]);
    assert!(!calm.has_calmed(at(610)) && !calm.has_calmed(at(99_999)), "written once");
}

#[test]
fn turns_that_nobody_saw_are_spread_over_the_time_they_took() {
    let was = Facts { started_at: Some(at(0)), ..facts(State::Running) };
    let is = Facts { restart_count: 4, started_at: Some(at(400_000)), ..facts(State::Running) };
    let course = after(&Course::default(), &was, &is, &[], at(400_010));
    assert_eq!(course.restarts, [at(400_000)], "four in days: the last is recent, the others are not");
    let is = Facts { restart_count: 4, started_at: Some(at(400)), ..facts(State::Running) };
    let course = after(&Course::default(), &was, &is, &[], at(410));
    assert_eq!(course.restarts, [at(100), at(200), at(300), at(400)]);
    let is = Facts { restart_count: u32::MAX, started_at: Some(at(400)), ..facts(State::Running) };
    let many = after(&Course::default(), &was, &is, &[], at(410));
    assert_eq!(many.restarts.len(), RESTARTS_KEPT, "bounded");
    assert_eq!(many.restarts.last(), Some(&at(400)));
}

#[test]
fn a_start_by_hand_begins_anew() {
    let (course, was) = restarted_at(&[10, 20, 30]);
    let up = Facts { started_at: Some(at(40)), restart_count: 0, ..facts(State::Running) };
    let by_hand = after(&course, &was, &up, &[Deed::Start, Deed::Restart], at(40));
    assert!(by_hand.restarts.is_empty(), "{by_hand:?}");
    let by_policy = Facts { restart_count: 3, ..up };
    let on = after(&course, &was, &by_policy, &[Deed::Start], at(40));
    assert_eq!(on.restarts, course.restarts, "the turn was counted when it began");
}

#[test]
fn the_last_end_is_kept_with_its_cause_also_while_it_runs_again() {
    let ended = Facts { exit_code: Some(3), finished_at: Some(at(5)), ..facts(State::Stopped) };
    let course = after(&Course::default(), &facts(State::Running), &ended, &[Deed::Die], at(6));
    let end = End { at: at(5), cause: Cause::Exit, detail: Some("exit 3".into()) };
    assert_eq!(course.last_end, Some(end.clone()));
    let again = Facts { started_at: Some(at(9)), ..facts(State::Running) };
    assert_eq!(after(&course, &ended, &again, &[Deed::Start], at(9)).last_end, Some(end));
}

#[test]
fn of_what_had_ended_before_it_was_seen_only_the_engines_flag_tells() {
    let first = |oom_killed| {
        let is =
            Facts { oom_killed, exit_code: Some(137), finished_at: Some(at(5)), ..facts(State::Stopped) };
        let history = diff::appeared(&is, &Evidence::default(), at(9));
        let turn = Turn { was: None, is: &is, history: &history, probe: None, now: at(9) };
        Course::default().after(&turn).last_end.unwrap()
    };
    assert_eq!((first(true).cause, first(true).at), (Cause::Oom, at(5)));
    assert_eq!(first(false).cause, Cause::Unknown);
}

#[test]
fn a_complaint_is_kept_from_the_moment_it_turned_bad_until_it_is_healthy() {
    let healthy = Facts { health: Health::Healthy, ..facts(State::Running) };
    let ill = Facts { health: Health::Unhealthy, ..facts(State::Running) };
    let course = after(&Course::default(), &healthy, &ill, &[], at(7));
    assert_eq!(course.complaint, Some(Complaint { since: at(7), output: "HTTP 500".into() }));
    assert_eq!(after(&course, &ill, &ill, &[], at(90)), course, "what the next runs print is not written");
    assert_eq!(after(&course, &ill, &healthy, &[], at(99)).complaint, None);
}

fn row(name: &str, state: State, born: i64) -> Row {
    let owner =
        Owner::Workload { id: WorkloadId::new("shop"), kind: WorkloadKind::Project, role: "prod".into() };
    Row {
        id: RowId::new(name),
        engine_id: EngineId::new("e"),
        owner,
        container_id: Some(ContainerId::new(name)),
        facts: Facts { name: name.into(), container_created_at: Some(at(born)), ..facts(state) },
        course: Course::default(),
        decided: Decided::default(),
        created_at: at(born),
        updated_at: at(born),
        last_seen_at: None,
        missing_since: None,
        legacy_instance_id: None,
        last_words: None,
    }
}

fn ended(name: &str, cause: Cause, when: i64) -> Row {
    let mut row = row(name, State::Stopped, 0);
    row.course.last_end = Some(End { at: at(when), cause, detail: None });
    row.facts.exit_code = Some(1);
    row
}

#[test]
fn a_newer_living_container_of_the_same_role_takes_the_place_of_one_that_does_not_live() {
    let named = |old: &Row, others: &[Row]| successor(old, others).map(|row| row.facts.name.clone());
    let old = ended("old", Cause::Own, 50);
    let new = row("new", State::Running, 40);
    assert_eq!(named(&old, std::slice::from_ref(&new)).as_deref(), Some("new"));
    assert_eq!(named(&old, &[new.clone(), row("newest", State::Paused, 45)]).as_deref(), Some("newest"));
    assert_eq!(named(&old, &[row("dead", State::Stopped, 40)]), None, "it does not live either");
    assert_eq!(named(&old, &[row("elder", State::Running, -1)]), None, "it is older");
    assert_eq!(named(&old, std::slice::from_ref(&old)), None);
    assert_eq!(named(&row("alive", State::Running, 0), std::slice::from_ref(&new)), None);
    for state in [State::Missing, State::Created, State::Failed] {
        assert_eq!(
            named(&row("old", state, 0), std::slice::from_ref(&new)).as_deref(),
            Some("new"),
            "{state}"
        );
    }
    let other_role = Row {
        owner: Owner::Workload {
            id: WorkloadId::new("shop"),
            kind: WorkloadKind::Project,
            role: "dev".into(),
        },
        ..new.clone()
    };
    assert_eq!(named(&old, &[other_role]), None);
    let foreign = Row { owner: Owner::foreign(), ..new.clone() };
    assert_eq!(named(&Row { owner: Owner::foreign(), ..old }, &[foreign]), None, "nobody's have no roles");
}

#[test]
fn one_that_fails_beside_its_living_sibling_was_not_replaced() {
    let crashed = ended("one", Cause::Exit, 50);
    assert!(successor(&crashed, &[row("two", State::Running, 49)]).is_none(), "it was there already");
    assert!(successor(&crashed, &[row("two", State::Running, 50)]).is_some(), "it came after");
    let copy = |mut row: Row, number: &str| {
        row.facts.labels.insert(labels::COMPOSE_NUMBER.into(), number.into());
        row
    };
    let one = copy(ended("one", Cause::Compose, 50), "1");
    assert!(successor(&one, &[copy(row("two", State::Running, 60), "2")]).is_none(), "another copy");
    assert!(successor(&one, &[copy(row("one-again", State::Running, 60), "1")]).is_some());
}

#[test]
fn no_times_are_too_far_apart() {
    for (from, to) in [(Timestamp::MIN, Timestamp::MAX), (Timestamp::MAX, Timestamp::MIN)] {
        let was = Facts { started_at: Some(from), ..facts(State::Running) };
        let is = Facts { started_at: Some(to), restart_count: 7, ..facts(State::Running) };
        let course = after(&Course::default(), &was, &is, &[], from);
        assert!(course.restarts.len() <= RESTARTS_KEPT);
        let _ = (course.is_loop(to), course.has_calmed(from));
    }
    let y2038: Timestamp = "2038-01-19T03:14:08Z".parse().unwrap();
    let (was, is) =
        (facts(State::Running), Facts { started_at: Some(y2038), restart_count: 1, ..facts(State::Running) });
    assert_eq!(after(&Course::default(), &was, &is, &[], y2038).restarts, [y2038]);
}
