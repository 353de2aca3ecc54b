use super::*;
use crate::rules::container::WorkloadKind;
use crate::rules::course::{Complaint, Course, End};
use crate::rules::ids::{ContainerId, EngineId, RowId, WorkloadId};
use crate::rules::row::{Decided, Facts, LastWords, Owner};

const NEVER: Option<Timestamp> = None;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

fn row(state: State) -> Row {
    Row {
        id: RowId::new("r"),
        engine_id: EngineId::new("e"),
        owner: Owner::Workload {
            id: WorkloadId::new("shop"),
            kind: WorkloadKind::Project,
            role: "prod".into(),
        },
        container_id: Some(ContainerId::new("c")),
        facts: Facts {
            name: "web".into(),
            image: "i".into(),
            image_id: "sha256:1".into(),
            state,
            health: Health::None,
            exit_code: None,
            oom_killed: false,
            restart_count: 0,
            error: None,
            ports: vec![],
            labels: [].into(),
            container_created_at: Some(at(-10)),
            started_at: (state != State::Created).then(|| at(0)),
            finished_at: NEVER,
            restart_policy: "no".into(),
            auto_remove: false,
        },
        course: Course::default(),
        decided: Decided::default(),
        created_at: at(-10),
        updated_at: at(0),
        last_seen_at: None,
        missing_since: None,
        legacy_instance_id: None,
        last_words: None,
    }
}

fn ended(cause: Cause, code: i64) -> Row {
    let mut row = row(State::Stopped);
    row.facts.exit_code = Some(code);
    row.facts.finished_at = Some(at(50));
    row.course.last_end = Some(End { at: at(50), cause, detail: Some(format!("exit {code}")) });
    row
}

fn with(mut row: Row, change: impl FnOnce(&mut Row)) -> Row {
    change(&mut row);
    row
}

fn looping(state: State, restarts: &[i64]) -> Row {
    with(ended(Cause::Exit, 1), |row| {
        row.facts.state = state;
        row.facts.restart_count = 9;
        row.course.restarts = restarts.iter().map(|second| at(*second)).collect();
        if state == State::Running {
            row.facts.exit_code = None;
        }
    })
}

/// `kind level since: text`.
fn told(row: &Row, now: Timestamp) -> String {
    let verdict = judge(row, now);
    let since =
        verdict.since.map_or("-".to_owned(), |since| format!("@{}", since.as_second() - 1_800_000_000));
    format!("{} {} {since}: {}", verdict.kind.as_str(), verdict.level.as_str(), verdict.text)
}

#[test]
fn every_verdict_has_its_kind_its_level_its_time_and_a_sentence() {
    let running = |health| with(row(State::Running), |row| row.facts.health = health);
    let complaint = Complaint { since: at(30), output: "\ncurl: (7) refused\nmore".into() };
    let unhealthy = with(running(Health::Unhealthy), |row| row.course.complaint = Some(complaint));
    let failed_start = |error: &str| with(row(State::Created), |row| row.facts.error = Some(error.into()));
    let missing = |cause| {
        with(ended(cause, 0), |row| {
            row.facts.state = State::Missing;
            row.missing_since = Some(at(60));
        })
    };
    let superseded = |row: Row| with(row, |row| row.course.superseded_by = Some("web-2".into()));
    let cases = [
        (running(Health::None), "fine fine @0: Running"),
        (running(Health::Healthy), "fine fine @0: Running and healthy"),
        (running(Health::Starting), "starting info @0: Starting: its health check has not passed yet"),
        (running(Health::Unhealthy), "unhealthy bad -: Unhealthy: its health check fails"),
        (unhealthy, "unhealthy bad @30: Unhealthy: curl: (7) refused"),
        (row(State::Paused), "paused warn -: Paused"),
        (row(State::Created), "created info @-10: Created, never started"),
        (failed_start("exec: no\nmore"), "never_started bad @-10: Never started: exec: no"),
        (ended(Cause::Exit, 0), "completed info @50: Completed (exit 0)"),
        (ended(Cause::Exit, 3), "crashed bad @50: Crashed: exit 3"),
        (ended(Cause::Exit, 127), "crashed bad @50: Crashed: exit 127, the command was not found"),
        (ended(Cause::Exit, 139), "crashed bad @50: Crashed: exit 139, SIGSEGV"),
        (ended(Cause::Exit, 190), "crashed bad @50: Crashed: exit 190, signal 62"),
        (ended(Cause::Exit, -1), "crashed bad @50: Crashed: exit -1"),
        (ended(Cause::Oom, 137), "out_of_memory bad @50: Out of memory: the kernel killed it"),
        (ended(Cause::Unknown, 0), "completed info @50: Completed (exit 0)"),
        (ended(Cause::Unknown, 3), "crashed bad @50: Crashed: exit 3"),
        (row(State::Restarting), "restarting warn -: Ended: its policy is about to start it again"),
        (
            looping(State::Restarting, &[50]),
            "restarting warn @50: Ended (exit 1): its policy is about to start it again",
        ),
        (
            looping(State::Restarting, &[10, 30, 50]),
            "crash_looping bad @10: Crash loop: restarted 3 times in 10 min, last exit 1",
        ),
        (
            looping(State::Running, &[10, 30, 50]),
            "crash_looping bad @10: Crash loop: restarted 3 times in 10 min, last exit 1",
        ),
        (
            looping(State::Stopped, &[10, 30, 50]),
            "crash_looping bad @10: Crash loop: restarted 3 times in 10 min, last exit 1",
        ),
        (row(State::Missing), "vanished bad -: Missing: the engine no longer knows it"),
        (missing(Cause::Foreign), "vanished bad @60: Missing: somebody removed it"),
        (missing(Cause::Compose), "removed info @60: Removed by Compose"),
        (missing(Cause::Own), "removed info @60: Removed by Tinyforge"),
        (superseded(missing(Cause::Foreign)), "superseded info @60: Superseded by web-2"),
        (superseded(ended(Cause::Exit, 3)), "superseded info @50: Superseded by web-2"),
        (superseded(row(State::Running)), "fine fine @0: Running"),
        (row(State::Failed), "dead bad -: Dead: the engine could not remove it whole"),
        (row(State::Removing), "being_removed info -: Being removed"),
        (row(State::Deploying), "being_deployed info @-10: Being deployed"),
        (row(State::Unknown), "unknown warn -: In a state that this version does not know"),
    ];
    for (row, expected) in cases {
        assert_eq!(told(&row, at(60)), expected);
    }
}

#[test]
fn the_same_exit_code_means_something_else_by_who_ended_it() {
    let by = |cause| told(&ended(cause, 137), at(60));
    assert_eq!(by(Cause::Own), "stopped info @50: Stopped by Tinyforge (exit 137, SIGKILL)");
    assert_eq!(by(Cause::Foreign), "stopped info @50: Stopped by somebody (exit 137, SIGKILL)");
    assert_eq!(by(Cause::Compose), "stopped info @50: Stopped by Compose (exit 137, SIGKILL)");
    assert_eq!(by(Cause::Exit), "crashed bad @50: Crashed: exit 137, SIGKILL");
    assert_eq!(
        by(Cause::EngineRestart),
        "stopped_with_engine warn @50: Stopped when the engine went, and not started again (exit 137, SIGKILL)"
    );
    let lost = "stopped info @50: Stopped by a signal, whose is not known (exit 137, SIGKILL)";
    assert_eq!(by(Cause::Unknown), lost, "and where the evidence was lost that is said");
    let flagged = with(ended(Cause::Unknown, 137), |row| row.facts.oom_killed = true);
    assert_eq!(judge(&flagged, at(60)).kind, Kind::OutOfMemory, "unless the engine's flag tells");
    let of_a_child = with(ended(Cause::Foreign, 143), |row| row.facts.oom_killed = true);
    assert_eq!(judge(&of_a_child, at(60)).kind, Kind::Stopped, "which it also does of a child of long ago");
}

#[test]
fn what_somebody_stopped_and_what_did_its_work_is_never_bad() {
    for cause in [Cause::Own, Cause::Foreign, Cause::Compose] {
        for code in [-1, 0, 1, 3, 125, 126, 127, 130, 137, 139, 143, 255, i64::MIN, i64::MAX] {
            for oom_killed in [false, true] {
                for state in [State::Stopped, State::Failed] {
                    let row = with(ended(cause, code), |row| {
                        row.facts.oom_killed = oom_killed;
                        row.facts.state = state;
                        row.course.restarts = vec![at(48), at(49), at(50)];
                    });
                    let verdict = judge(&row, at(51));
                    let dead = state == State::Failed;
                    assert!(dead || verdict.level <= Level::Info, "{cause:?} {code}: {verdict:?}");
                }
            }
        }
    }
    for cause in [Cause::Exit, Cause::Unknown, Cause::Sleep] {
        assert!(
            judge(&ended(cause, 0), at(51)).level <= Level::Info,
            "a one-shot that ended with 0, {cause:?}"
        );
    }
}

#[test]
fn a_crash_loop_is_one_for_as_long_as_its_restarts_lie_in_the_span() {
    let row = looping(State::Running, &[0, 100, 200]);
    let kind = |second| judge(&row, at(second)).kind;
    assert_eq!(kind(200), Kind::CrashLooping);
    assert_eq!(kind(599), Kind::CrashLooping);
    assert_eq!(kind(600), Kind::Fine, "the first lies ten minutes back");
    let before = looping(State::Running, &[-1, 100, 200]);
    assert_eq!(judge(&before, at(599)).kind, Kind::Fine);
    let stopped = with(looping(State::Stopped, &[0, 100, 200]), |row| {
        row.course.last_end = Some(End { at: at(210), cause: Cause::Foreign, detail: None });
    });
    assert_eq!(judge(&stopped, at(211)).kind, Kind::Stopped, "somebody ended it");
}

#[test]
fn the_evidence_is_what_the_judgement_rests_on() {
    let kinds = |verdict: &Verdict| verdict.evidence.iter().map(|e| e.what).collect::<Vec<_>>();
    let words = LastWords { ended_at: at(50), text: "panic: no database\n".into() };
    let crashed = with(ended(Cause::Exit, 2), |row| row.last_words = Some(words.clone()));
    let verdict = judge(&crashed, at(60));
    assert_eq!(kinds(&verdict), [What::Exit, What::By, What::Log]);
    assert_eq!(verdict.evidence[2].text, "panic: no database\n", "whole, as it was written");
    assert_eq!((verdict.cause, verdict.fix.is_some()), (Some(Cause::Exit), true));

    let stopped = with(ended(Cause::Foreign, 143), |row| row.last_words = Some(words.clone()));
    let verdict = judge(&stopped, at(60));
    assert_eq!(kinds(&verdict), [What::Exit, What::By], "what an earlier crash said is of no use here");
    assert_eq!((verdict.cause, verdict.fix), (Some(Cause::Foreign), None));

    let again = with(looping(State::Running, &[10, 30, 50]), |row| row.last_words = Some(words));
    let verdict = judge(&again, at(60));
    assert_eq!(kinds(&verdict), [What::Exit, What::Restarts, What::Log]);
    assert_eq!(verdict.cause, None, "it runs");
    assert!(verdict.evidence[1].text.starts_with("3 in 10 min, the last at 2027-"), "{verdict:?}");
    assert_eq!(judge(&row(State::Running), at(60)).evidence, []);
}

#[test]
fn a_start_that_failed_is_told_how_to_mend_it() {
    let fix = |error: &str| {
        let row = with(row(State::Created), |row| row.facts.error = Some(error.into()));
        judge(&row, at(0)).fix.unwrap()
    };
    assert!(
        fix("driver failed: Bind for 127.0.0.1:80: port is already allocated").starts_with("Free the port")
    );
    assert!(fix("exec: \"x\": executable file not found in $PATH").starts_with("Correct its command"));
    assert!(fix("exec: permission denied").starts_with("Make the file"));
    assert!(fix("network shop_default not found").starts_with("Connect it"));
    assert!(fix("something new").starts_with("Mend what the engine complains about"));
}

#[test]
fn a_line_of_the_history_weighs_what_the_verdict_then_did() {
    let change = |field, from: Option<&str>, to: &str, cause, detail: Option<&str>| Change {
        field,
        from: from.map(str::to_owned),
        to: Some(to.to_owned()),
        at: at(0),
        cause,
        detail: detail.map(str::to_owned),
    };
    let ended =
        |cause, detail| of_change(&change(Field::State, Some("running"), "stopped", cause, Some(detail)));
    assert_eq!(ended(Cause::Exit, "exit 3, signal 9"), Level::Bad);
    assert_eq!(ended(Cause::Exit, "exit 0"), Level::Info);
    assert_eq!(ended(Cause::Oom, "exit 137"), Level::Bad);
    assert_eq!(ended(Cause::Foreign, "exit 137"), Level::Info);
    assert_eq!(ended(Cause::EngineRestart, "exit 0"), Level::Warn);
    let health = |to| of_change(&change(Field::Health, Some("healthy"), to, Cause::Exit, None));
    assert_eq!(
        (health("unhealthy"), health("healthy"), health("odd")),
        (Level::Bad, Level::Info, Level::Info)
    );
    let gone = |cause| of_change(&change(Field::State, Some("running"), "missing", cause, None));
    assert_eq!((gone(Cause::Foreign), gone(Cause::Compose)), (Level::Bad, Level::Info));
    let found = change(Field::State, None, "stopped", Cause::Unknown, Some("exit 3"));
    assert_eq!(of_change(&found), Level::Info, "it was so before anybody looked");
}

#[test]
fn many_verdicts_are_counted_and_a_foreign_one_weighs_no_more_than_a_warning() {
    let foreign = |row: Row| Row { owner: Owner::foreign(), ..row };
    let rows = [
        row(State::Running),
        ended(Cause::Exit, 1),
        foreign(ended(Cause::Exit, 1)),
        row(State::Paused),
        ended(Cause::Own, 1),
    ];
    assert_eq!(Tally::of(&rows, at(60)), Tally { worst: Level::Bad, bad: 1, warn: 2 });
    assert_eq!(Tally::of(&rows[2..3], at(60)).worst, Level::Warn);
    assert_eq!(Tally::of(&[], at(60)), Tally { worst: Level::Fine, bad: 0, warn: 0 });
}

/// Every state with every cause, health, code and time, also such as no engine gives: an answer each time, one sentence,
/// and a cure for whatever is bad.
#[test]
fn the_judgement_is_total() {
    let times = [
        None,
        Some(Timestamp::MIN),
        Some(at(0)),
        Some("2038-01-19T03:14:08Z".parse().unwrap()),
        Some(Timestamp::MAX),
    ];
    let codes = [None, Some(0), Some(1), Some(137), Some(i64::MIN), Some(i64::MAX)];
    for state in State::ALL {
        for cause in Cause::ALL {
            for health in Health::ALL {
                for time in times {
                    for code in codes {
                        let row = with(row(*state), |row| {
                            row.facts.health = *health;
                            row.facts.exit_code = code;
                            row.facts.started_at = time;
                            row.facts.finished_at = time;
                            row.facts.error = code.map(|_| HOSTILE.to_owned());
                            row.course.last_end =
                                time.map(|at| End { at, cause: *cause, detail: Some(HOSTILE.into()) });
                            row.course.restarts = time.map_or(vec![], |at| vec![at; 3]);
                            row.course.complaint =
                                time.map(|since| Complaint { since, output: HOSTILE.into() });
                        });
                        for now in [Timestamp::MIN, at(1), Timestamp::MAX] {
                            let verdict = judge(&row, now);
                            assert!(!verdict.text.is_empty() && !verdict.text.contains('\n'), "{verdict:?}");
                            assert_eq!(verdict.level, verdict.kind.level());
                            assert!(verdict.level < Level::Bad || verdict.fix.is_some(), "{verdict:?}");
                        }
                    }
                }
            }
        }
    }
}

const HOSTILE: &str = "<script>alert(1)</script>\n\u{1b}]0;x\u{7}\u{202e}'; DROP TABLE containers; --";

#[test]
fn words_read_back() {
    for kind in Kind::ALL {
        assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
    }
}
