use super::*;
use crate::rules::container::{Health, Observed, WorkloadKind};
use crate::rules::course::Course;
use crate::rules::ids::{ContainerId, EngineId, RowId, WorkloadId};
use crate::rules::labels::Labels;
use crate::rules::row::{Decided, Facts};

const NOW: &str = "2026-05-10T12:00:00Z";
const ID: &str = "0123456789abcdef";

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn before(now: Timestamp, seconds: i64) -> Timestamp {
    now.checked_sub(SignedDuration::from_secs(seconds)).unwrap()
}

/// A container of `shop/prod` that stopped at that moment.
fn stopped(finished_at: Timestamp) -> Row {
    let facts = Facts::of(&Observed {
        container_id: ContainerId::new(ID),
        name: "web".into(),
        image: "shop:1".into(),
        image_id: "sha256:1".into(),
        state: State::Stopped,
        health: Health::None,
        probe: None,
        exit_code: Some(0),
        oom_killed: false,
        restart_count: 0,
        error: None,
        ports: vec![],
        labels: Labels::new(),
        created_at: before(finished_at, 3_600),
        started_at: Some(before(finished_at, 3_500)),
        finished_at: Some(finished_at),
        restart_policy: "no".into(),
        auto_remove: false,
    });
    Row {
        id: RowId::new("shop:prod"),
        engine_id: EngineId::new("E"),
        owner: Owner::Workload {
            id: WorkloadId::new("shop"),
            kind: WorkloadKind::Project,
            role: "prod".into(),
        },
        container_id: Some(ContainerId::new(ID)),
        facts,
        course: Course::default(),
        decided: Decided::default(),
        created_at: before(finished_at, 3_600),
        updated_at: finished_at,
        last_seen_at: Some(finished_at),
        missing_since: None,
        legacy_instance_id: None,
        last_words: None,
    }
}

fn in_state(state: State, row: Row) -> Row {
    Row { facts: Facts { state, ..row.facts }, ..row }
}

/// Stopped a hundred days ago.
fn old() -> Row {
    stopped(before(time(NOW), 100 * DAY_S))
}

fn by(days: u32) -> Yardstick {
    Yardstick {
        threshold: Threshold { days },
        scope: Scope::Workloads,
        wishes: Wishes::default(),
        now: time(NOW),
    }
}

fn foreign(row: Row) -> Row {
    Row { owner: Owner::foreign(), ..row }
}

/// `stale 7` or why not.
fn word(row: &Row, by: &Yardstick) -> String {
    match judge(row, by) {
        Judgement::Stale(stale) => format!("stale {}", stale.days),
        Judgement::Not(why) => why.word().to_owned(),
    }
}

#[test]
fn the_threshold_holds_to_the_second() {
    let cases = [
        (7, 7 * DAY_S - 1, "young"),
        (7, 7 * DAY_S, "young"),
        (7, 7 * DAY_S + 1, "stale 7"),
        (7, 8 * DAY_S - 1, "stale 7"),
        (7, 8 * DAY_S, "stale 8"),
        (1, DAY_S - 1, "young"),
        (1, DAY_S, "young"),
        (1, DAY_S + 1, "stale 1"),
        // none
        (0, 1, "stale 0"),
        (0, 0, "stale 0"),
        (0, DAY_S - 1, "stale 0"),
        (0, DAY_S, "stale 1"),
        // the engine's clock is ahead of ours
        (0, -3_600, "stale 0"),
        (7, -3_600, "young"),
        (3_650, 3_650 * DAY_S, "young"),
        (3_650, 3_650 * DAY_S + 1, "stale 3650"),
        (u32::MAX, 100 * 365 * DAY_S, "young"),
    ];
    for (days, age, expected) in cases {
        assert_eq!(word(&stopped(before(time(NOW), age)), &by(days)), expected, "{age} s, {days} days");
    }
    let a_moment_over = before(time(NOW), 7 * DAY_S).checked_sub(SignedDuration::from_micros(1)).unwrap();
    assert_eq!(word(&stopped(a_moment_over), &by(7)), "stale 7");
}

#[test]
fn a_young_one_says_when_it_will_be_stale() {
    let since = before(time(NOW), 3 * DAY_S);
    let Judgement::Not(why) = judge(&stopped(since), &by(7)) else { panic!("it is young") };
    assert_eq!(why.until(), Some(time("2026-05-14T12:00:00Z")));
    assert_eq!(why.still().map(|(still, days)| (still.since, days)), Some((since, 3)));
    assert_eq!(why.to_string(), "it has not run for 3 days, which is not long enough");
    let far = judge(&stopped(Timestamp::MAX), &by(u32::MAX));
    assert!(matches!(far, Judgement::Not(why) if why.until() == Some(Timestamp::MAX)), "{far:?}");
}

#[test]
fn every_state_has_its_answer() {
    for state in State::ALL {
        let expected = match state {
            State::Created | State::Stopped | State::Failed => "stale 100",
            // nobody said when it went
            State::Missing => "stale 100",
            State::Running => "running",
            State::Paused => "paused",
            State::Restarting => "restarting",
            State::Removing => "removing",
            State::Deploying => "placeholder",
            State::Unknown => "unknown",
        };
        assert_eq!(word(&in_state(*state, old()), &by(7)), expected, "{state}");
        assert_eq!(word(&in_state(*state, old()), &by(0)), expected, "{state}, without a threshold");
    }
}

#[test]
fn the_standstill_is_told_by_the_engines_own_times() {
    let t = |second: i64| Timestamp::from_second(1_700_000_000 + second).unwrap();
    let row = |state, last_seen_at, finished_at, started_at, created_at| {
        let row = in_state(state, stopped(t(0)));
        Row {
            facts: Facts { finished_at, started_at, container_created_at: created_at, ..row.facts },
            last_seen_at,
            created_at: t(1),
            ..row
        }
    };
    let created = Some(t(5));
    let cases = [
        ("ended", row(State::Stopped, Some(t(30)), Some(t(30)), Some(t(10)), created), Sign::LastRan, 30),
        (
            "not yet in the row",
            row(State::Stopped, None, Some(t(30)), Some(t(10)), created),
            Sign::LastRan,
            30,
        ),
        ("the year 1 for an end", row(State::Stopped, None, None, Some(t(10)), created), Sign::LastRan, 10),
        ("the year 1 for both", row(State::Stopped, None, None, None, created), Sign::Created, 5),
        ("never started", row(State::Created, None, None, None, created), Sign::Created, 5),
        ("of the earlier design", row(State::Stopped, None, None, None, None), Sign::Created, 1),
        ("dead", row(State::Failed, Some(t(30)), Some(t(30)), Some(t(10)), created), Sign::LastRan, 30),
        (
            "gone, since nobody knows when",
            row(State::Missing, None, None, None, created),
            Sign::WentMissing,
            5,
        ),
        ("gone, last seen", row(State::Missing, Some(t(40)), None, None, created), Sign::WentMissing, 40),
    ];
    for (what, row, sign, since) in cases {
        assert_eq!(standstill(&row), Standstill { since: t(since), sign }, "{what}");
    }
    let gone = Row {
        missing_since: Some(t(90)),
        ..row(State::Missing, Some(t(40)), Some(t(40)), Some(t(10)), created)
    };
    assert_eq!(
        standstill(&gone),
        Standstill { since: t(90), sign: Sign::WentMissing },
        "not when it last ran"
    );
}

#[test]
fn what_its_user_said_of_it_counts() {
    let now = time(NOW);
    let said = |pinned_at, snoozed_until| {
        word(&old(), &Yardstick { wishes: Wishes { pinned_at, snoozed_until }, ..by(7) })
    };
    let after = |seconds: i64| Some(before(now, -seconds));
    assert_eq!(said(None, None), "stale 100");
    assert_eq!(said(Some(now), None), "pinned");
    assert_eq!(said(Some(now), after(9)), "pinned", "for good is longer than for a while");
    assert_eq!(said(None, after(1)), "snoozed");
    assert_eq!(said(None, after(0)), "stale 100", "at its end it is over");
    assert_eq!(said(None, after(-1)), "stale 100");
    let wishes = Wishes { pinned_at: Some(now), snoozed_until: after(9) };
    assert_eq!(word(&old(), &Yardstick { wishes, ..by(0) }), "pinned", "also without a threshold");
    let running = in_state(State::Running, old());
    assert_eq!(word(&running, &Yardstick { wishes, ..by(7) }), "running", "the nearer reason is told");
}

#[test]
fn what_is_kept_or_in_the_bin_is_not_stale_and_a_foreign_name_means_nothing() {
    let kept = Row { decided: Decided { release_id: Some("r1".into()), ..Decided::default() }, ..old() };
    let named = |name: &str| Row { facts: Facts { name: name.into(), ..old().facts }, ..old() };
    let binned = named("tf-bin-0123456789ab-web");
    let cases = [
        (kept.clone(), "kept"),
        (binned.clone(), "in_the_bin"),
        // somebody else's id in the name
        (named("tf-bin-ffffffffffff-web"), "stale 100"),
        (named("tf-bin-"), "stale 100"),
        (foreign(binned), "stale 100"),
        (foreign(kept.clone()), "stale 100"),
        // a release's container that is gone is nothing to go back to
        (in_state(State::Missing, kept), "stale 100"),
    ];
    for (row, expected) in cases {
        assert_eq!(word(&row, &Yardstick { scope: Scope::Everybody, ..by(7) }), expected, "{row}");
    }
}

#[test]
fn a_foreign_one_is_judged_alike_and_told_only_when_asked_for() {
    let everybody = |days| Yardstick { scope: Scope::Everybody, ..by(days) };
    assert_eq!(word(&foreign(old()), &everybody(7)), "stale 100");
    assert_eq!(word(&foreign(old()), &by(7)), "foreign");
    assert_eq!(word(&foreign(old()), &everybody(200)), "young");
    assert_eq!(word(&foreign(old()), &by(200)), "young", "the nearer reason is told");
    assert_eq!(word(&in_state(State::Running, foreign(old())), &everybody(0)), "running");
    assert_eq!(word(&old(), &everybody(7)), word(&old(), &by(7)));
}

#[test]
fn what_is_asked_for_counts_before_the_workload_and_that_before_the_setting() {
    let cases = [
        (None, None, 7, 7),
        (None, None, 0, 0),
        (None, Some(30), 7, 30),
        (None, Some(0), 7, 0),
        (Some(2), Some(30), 7, 2),
        (Some(0), Some(30), 7, 0),
        (Some(2), None, 7, 2),
    ];
    for (asked, workload, setting, expected) in cases {
        assert_eq!(Threshold::of(asked, workload, setting).days, expected, "{asked:?} {workload:?}");
    }
}

/// Spans are counted, not dates: a day in which the clocks change is as long as any other.
#[test]
fn neither_the_change_of_the_clocks_nor_2038_moves_the_threshold() {
    let moments = [
        // Berlin puts its clocks forward, and back
        "2026-03-29T01:00:00Z",
        "2026-10-25T01:00:00Z",
        // the end of 32 bits
        "2038-01-19T03:14:07Z",
        "2038-01-19T03:14:08Z",
        // a leap day
        "2028-02-29T00:00:00Z",
        "9990-01-01T00:00:00Z",
    ];
    for moment in moments {
        for offset in [-3 * DAY_S, 0, 3 * DAY_S] {
            let now = before(time(moment), offset);
            let at = |age| word(&stopped(before(now, age)), &Yardstick { now, ..by(7) });
            assert_eq!(at(7 * DAY_S), "young", "{moment}");
            assert_eq!(at(7 * DAY_S + 1), "stale 7", "{moment}");
        }
    }
}

/// For any container, threshold and moment: there is an answer, it is stable, and it only ever moves one way.
#[test]
fn whatever_the_container_there_is_one_answer_and_time_only_makes_it_stale() {
    let mut chance = Chance(0x5eed);
    for _ in 0..20_000 {
        let state = State::ALL[chance.below(State::ALL.len() as u64) as usize];
        let now = time(NOW);
        let age = chance.below(40 * DAY_S as u64) as i64 - DAY_S;
        let mut row = in_state(state, stopped(before(now, age)));
        if chance.below(2) == 0 {
            row = foreign(row);
        }
        if chance.below(4) == 0 {
            row.decided.release_id = Some("r".into());
        }
        if chance.below(4) == 0 {
            row.missing_since = Some(before(now, chance.below(40 * DAY_S as u64) as i64));
        }
        let days = chance.below(30) as u32;
        let scope = if chance.below(2) == 0 { Scope::Workloads } else { Scope::Everybody };
        let yardstick = Yardstick { scope, ..by(days) };
        let judged = judge(&row, &yardstick);
        match judged {
            Judgement::Stale(stale) => {
                assert!(!state.is_alive() && stale.days >= days, "{row} {judged:?}");
                let later = Yardstick { now: before(now, -DAY_S), ..yardstick };
                let Judgement::Stale(then) = judge(&row, &later) else { panic!("it got better: {row}") };
                // What lies in the future is no day old yet.
                let one_more = u32::from(stale.still.since <= now);
                assert_eq!(then.days, stale.days + one_more, "{row}");
                let lenient = Yardstick { threshold: Threshold { days: stale.days + 1 }, ..yardstick };
                assert!(matches!(judge(&row, &lenient), Judgement::Not(Why::Young { .. })), "{row}");
            }
            Judgement::Not(why) => {
                assert!(!why.to_string().is_empty() && !why.word().is_empty());
                if let Why::Young { stale_after, .. } = why {
                    let at = |now| judge(&row, &Yardstick { now, scope: Scope::Everybody, ..yardstick });
                    let after = stale_after.checked_add(SignedDuration::from_micros(1)).unwrap();
                    assert!(matches!(at(stale_after), Judgement::Not(Why::Young { .. })), "{row}");
                    assert!(matches!(at(after), Judgement::Stale(_)), "{row}: it keeps its word");
                }
            }
        }
        let rows = [row.clone()];
        let found = find_stale_containers(&rows, |_| yardstick).count();
        assert_eq!(found == 1, matches!(judged, Judgement::Stale(_)));
    }
}

/// Numbers that look random and are the same at every run.
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

#[test]
fn the_one_that_took_its_place_is_the_newest_that_runs() {
    let now = time(NOW);
    let one = |id: &str, state, created: i64, role: &str| {
        let row = in_state(state, stopped(now));
        let owner =
            Owner::Workload { id: WorkloadId::new("shop"), kind: WorkloadKind::Project, role: role.into() };
        let facts = Facts { name: id.into(), container_created_at: Some(before(now, -created)), ..row.facts };
        Row { id: RowId::new(id), owner, facts, ..row }
    };
    let of = one("old", State::Stopped, 10, "prod");
    let named = |rows: &[Row]| successor(&of, rows).map(|row| row.facts.name.clone());
    let all = [
        of.clone(),
        one("earlier", State::Running, 5, "prod"),
        one("other-role", State::Running, 20, "dev"),
        one("placeholder", State::Deploying, 60, "prod"),
        one("gone", State::Missing, 50, "prod"),
        one("failed-try", State::Stopped, 40, "prod"),
        one("serves", State::Running, 30, "prod"),
    ];
    assert_eq!(named(&all).as_deref(), Some("serves"));
    assert_eq!(named(&all[..6]).as_deref(), Some("failed-try"));
    assert_eq!(named(&all[..5]), None);
    assert_eq!(successor(&foreign(of.clone()), &all), None, "a foreign one has no place");
}

#[test]
fn the_reasons_say_since_when_by_whom_and_what_refers_to_it() {
    let row = in_state(State::Running, stopped(time(NOW)));
    let stale = |sign, days| Stale { still: Standstill { since: time(NOW), sign }, days };
    let evidence = |sign, days| Evidence {
        stale: stale(sign, days),
        state: State::Stopped,
        exit_code: None,
        error: None,
        ended_by: None,
        successor: None,
        route: None,
        volumes: &[],
        networks: &[],
    };
    let told = |evidence: &Evidence<'_>| reasons(evidence).join(" ");
    let causes = [
        (Cause::Own, "Has not run for 12 days: stopped by Tinyforge."),
        (Cause::Foreign, "Has not run for 12 days: stopped by somebody else."),
        (Cause::Compose, "Has not run for 12 days: stopped by Compose."),
        (Cause::Exit, "Has not run for 12 days: it ended by itself."),
        (Cause::Oom, "Has not run for 12 days: it ran out of memory."),
        (Cause::EngineRestart, "Has not run for 12 days: the engine stopped."),
        (Cause::Sleep, "Has not run for 12 days: it went while the machine slept."),
        (Cause::Unknown, "Has not run for 12 days: nobody saw why."),
    ];
    for (cause, expected) in causes {
        assert_eq!(told(&Evidence { ended_by: Some(cause), ..evidence(Sign::LastRan, 12) }), expected);
    }
    let cases = [
        (
            Evidence { exit_code: Some(3), ..evidence(Sign::LastRan, 1) },
            "Has not run for 1 day: nobody saw why, exit code 3.",
        ),
        (evidence(Sign::Created, 0), "Never started in less than a day."),
        (
            Evidence { error: Some("no such file."), ..evidence(Sign::Created, 9) },
            "Never started in 9 days: no such file.",
        ),
        (
            Evidence { ended_by: Some(Cause::Foreign), exit_code: Some(1), ..evidence(Sign::WentMissing, 9) },
            "Missing for 9 days: removed by somebody else.",
        ),
    ];
    for (evidence, expected) in cases {
        assert_eq!(told(&evidence), expected);
    }
    let (volumes, networks) = (["data".to_owned()], ["a".to_owned(), "b".to_owned()]);
    let whole = Evidence {
        successor: Some(&row),
        route: Some("r7"),
        volumes: &volumes,
        networks: &networks,
        ..evidence(Sign::LastRan, 12)
    };
    assert_eq!(
        reasons(&whole)[1..],
        [
            "Superseded by web, which runs.",
            "The route r7 still leads to it.",
            "Only it holds the volume data, which stays until it is removed by name.",
            "It is in the networks a, b.",
        ]
    );
}
