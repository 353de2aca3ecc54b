use proptest::prelude::*;

use super::*;
use crate::rules::container::{Health, State, WorkloadKind};
use crate::rules::course::{Complaint, Course, End};
use crate::rules::ids::{ContainerId, EngineId};
use crate::rules::row::{Decided, Facts};

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

fn row(workload: &str, role: &str, state: State) -> Row {
    let kind = WorkloadKind::Project;
    Row {
        id: RowId::new(format!("{workload}:{role}")),
        engine_id: EngineId::new("e"),
        owner: Owner::Workload { id: WorkloadId::new(workload), kind, role: role.into() },
        container_id: Some(ContainerId::new("c")),
        facts: Facts {
            name: format!("{workload}-{role}"),
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
            started_at: Some(at(-9)),
            finished_at: None,
            restart_policy: "no".into(),
            auto_remove: false,
        },
        course: Course::default(),
        decided: Decided::default(),
        created_at: at(-10),
        updated_at: at(-9),
        last_seen_at: None,
        missing_since: None,
        legacy_instance_id: None,
        last_words: None,
    }
}

fn runs(workload: &str, role: &str) -> Row {
    row(workload, role, State::Running)
}

fn ended(workload: &str, role: &str, cause: Cause, second: i64) -> Row {
    let mut row = row(workload, role, State::Stopped);
    row.facts.exit_code = Some(1);
    row.course.last_end = Some(End { at: at(second), cause, detail: None });
    row
}

fn crashed(workload: &str, role: &str, second: i64) -> Row {
    ended(workload, role, Cause::Exit, second)
}

fn ill(workload: &str, role: &str, second: i64) -> Row {
    let mut row = runs(workload, role);
    row.facts.health = Health::Unhealthy;
    row.course.complaint = Some(Complaint { since: at(second), output: "no".into() });
    row
}

fn looping(workload: &str, role: &str, restarts: &[i64]) -> Row {
    let mut row = runs(workload, role);
    row.course.restarts = restarts.iter().map(|second| at(*second)).collect();
    row
}

fn memory() -> Memory {
    Memory {
        known_from: at(0),
        next_id: 1,
        told: BTreeMap::new(),
        sent: vec![],
        pause: None,
        mutes: Mutes::default(),
    }
}

fn begun(memory: Memory) -> Policy {
    let mut policy = Policy::new(memory, true, at(0));
    policy.engine(Line::Answers, at(0));
    policy.begin(at(0));
    policy
}

/// Tells whatever is due up to that second, at the moments at which the policy wants to be woken.
fn until(policy: &mut Policy, from: i64, to: i64) -> Vec<(i64, Notice)> {
    let mut told = vec![];
    let mut now = at(from);
    while now <= at(to) {
        let telling = policy.due(now, &Names::new());
        assert_eq!(policy.is_due(now), !telling.is_empty());
        policy.confirm(&telling, now);
        assert!(!policy.is_due(now), "what is told is told: {telling:#?}");
        told.extend(telling.notices.into_iter().map(|notice| (now.as_second() - at(0).as_second(), notice)));
        let Some(next) = policy.next_wake(now) else { break };
        assert!(next > now);
        now = next;
    }
    told
}

fn lines(told: &[(i64, Notice)]) -> Vec<String> {
    told.iter().map(|(second, notice)| format!("{second}: {}", notice.title)).collect()
}

/// `(second, row)` one after the other, then five minutes more.
fn story(policy: &mut Policy, rows: &[(i64, Row)]) -> Vec<String> {
    let mut told = vec![];
    for (n, (second, row)) in rows.iter().enumerate() {
        policy.hear(row, at(*second));
        let next = rows.get(n + 1).map_or(second + 300, |(next, _)| *next - 1);
        told.extend(until(policy, *second, next));
    }
    lines(&told)
}

#[test]
fn a_finding_is_told_when_it_has_lasted_and_only_once() {
    type Case = (&'static str, Vec<(i64, Row)>, Vec<&'static str>);
    let cases: Vec<Case> = vec![
        ("a crash", vec![(10, crashed("a", "x", 10))], vec!["13: a/x crashed"]),
        ("that is over at once", vec![(10, crashed("a", "x", 10)), (12, runs("a", "x"))], vec![]),
        (
            "heard of again and again",
            vec![(10, crashed("a", "x", 10)), (20, crashed("a", "x", 10)), (200, crashed("a", "x", 10))],
            vec!["13: a/x crashed"],
        ),
        (
            "another cause that was found out later",
            vec![(10, crashed("a", "x", 10)), (20, ended("a", "x", Cause::Oom, 10))],
            vec!["13: a/x crashed"],
        ),
        (
            "found out in time to be nothing",
            vec![(10, crashed("a", "x", 10)), (12, ended("a", "x", Cause::Own, 10))],
            vec![],
        ),
        (
            "another crash",
            vec![(10, crashed("a", "x", 10)), (60, runs("a", "x")), (300, crashed("a", "x", 300))],
            vec!["13: a/x crashed", "303: a/x crashed"],
        ),
        (
            "a loop, whose beginning moves",
            vec![
                (10, looping("a", "x", &[1, 4, 9])),
                (500, looping("a", "x", &[100, 300, 500])),
                (900, looping("a", "x", &[500, 700, 900])),
            ],
            vec!["13: a/x keeps crashing"],
        ),
        (
            "a loop that came after it was over",
            vec![
                (10, looping("a", "x", &[1, 4, 9])),
                (1_000, runs("a", "x")),
                (2_000, looping("a", "x", &[1_990, 1_995, 2_000])),
            ],
            vec!["13: a/x keeps crashing", "2003: a/x keeps crashing"],
        ),
        (
            "a crash that becomes a loop",
            vec![(10, crashed("a", "x", 10)), (400, looping("a", "x", &[11, 200, 400]))],
            vec!["13: a/x crashed", "403: a/x keeps crashing"],
        ),
        (
            "a loop that ends as the crash that it was",
            vec![(10, looping("a", "x", &[1, 4, 9])), (900, crashed("a", "x", 11))],
            vec!["13: a/x keeps crashing"],
        ),
        (
            "a stranger's",
            vec![(10, {
                let mut row = crashed("a", "x", 10);
                row.owner = Owner::foreign();
                row
            })],
            vec![],
        ),
    ];
    for (what, rows, expected) in cases {
        assert_eq!(story(&mut begun(memory()), &rows), expected, "{what}");
    }
}

#[test]
fn several_at_once_are_one_and_then_it_is_quiet() {
    let mut policy = begun(memory());
    for n in 0..4 {
        policy.hear(&crashed(&format!("w{n}"), "x", 10 + n), at(10 + n));
    }
    let told = until(&mut policy, 13, 40);
    assert_eq!(lines(&told), ["16: 4 containers need you"]);
    assert_eq!(
        told[0].1.body,
        "w0/x crashed, w1/x crashed, w2/x crashed, w3/x crashed. Open Tinyforge to see each of them and what to do."
    );
    policy.hear(&crashed("late", "x", 41), at(41));
    policy.hear(&crashed("later", "x", 43), at(43));
    assert_eq!(lines(&until(&mut policy, 43, 400)), ["76: 2 containers need you"]);
    policy.hear(&crashed("alone", "x", 500), at(500));
    assert_eq!(lines(&until(&mut policy, 500, 900)), ["503: alone/x crashed"]);
}

#[test]
fn what_befalls_one_workload_at_once_is_one_notice() {
    let mut policy = begun(memory());
    policy.hear(&crashed("shop", "web", 10), at(10));
    policy.hear(&ill("shop", "db", 12), at(12));
    assert_eq!(lines(&until(&mut policy, 12, 300)), ["15: shop: 2 containers need you"]);
}

#[test]
fn a_workload_that_goes_on_is_told_of_more_and_more_seldom() {
    let mut policy = begun(memory());
    let mut told = vec![];
    for turn in 0..(2 * 3_600 / 10) {
        let second = turn * 10;
        policy.hear(&ill("shop", "web", second), at(second));
        told.extend(until(&mut policy, second, second + 4));
        policy.hear(&runs("shop", "web"), at(second + 5));
        told.extend(until(&mut policy, second + 5, second + 9));
    }
    let minutes: Vec<i64> = told.iter().map(|(second, _)| second / 60).collect();
    assert_eq!(&minutes[..6], [0, 2, 7, 17, 32, 52], "{:?}", lines(&told));
    for seven in told.windows(7) {
        assert!(seven[6].0 - seven[0].0 >= 3_600, "{:?}", lines(&told));
    }
    assert!(told[1].1.body.ends_with("11 more since the last notice."), "{}", told[1].1.body);
}

#[test]
fn a_container_that_turns_quickly_is_told_to_flap_once_an_hour() {
    let mut policy = begun(memory());
    let mut told = vec![];
    for second in 0..3_700 {
        let is_bad = second % 2 == 0;
        let row = if is_bad { ill("shop", "web", second) } else { runs("shop", "web") };
        policy.hear(&row, at(second));
        told.extend(until(&mut policy, second, second));
    }
    assert_eq!(lines(&told), ["5: shop/web keeps flapping", "3605: shop/web keeps flapping"]);
    policy.hear(&ill("shop", "web", 4_000), at(4_000));
    assert_eq!(
        lines(&until(&mut policy, 4_000, 5_000)),
        ["4003: shop/web is unhealthy"],
        "and then stays ill"
    );
}

#[test]
fn nothing_of_the_index_is_told_before_it_is_known_to_be_true() {
    let mut policy = Policy::new(Memory { known_from: at(-1_000), ..memory() }, true, at(0));
    for n in 0..9 {
        policy.hear(&crashed(&format!("w{n}"), "x", -500), at(0));
    }
    policy.hear(&crashed("old", "x", -2_000), at(0));
    policy.hear(&crashed("well", "x", -500), at(0));
    assert_eq!(lines(&until(&mut policy, 0, 100)), [""; 0]);
    policy.hear(&runs("well", "x"), at(100));
    policy.begin(at(101));
    assert_eq!(
        lines(&until(&mut policy, 101, 9_000)),
        ["101: While Tinyforge was not running: 9 containers need you"]
    );
}

#[test]
fn while_the_engine_is_in_trouble_nothing_is_told_singly() {
    let silent = || Line::Silent { reason: "no socket".into() };
    let mut policy = begun(memory());
    policy.hear(&crashed("own", "x", 9), at(9));
    policy.engine(silent(), at(10));
    policy.hear(&ended("shop", "x", Cause::EngineRestart, 10), at(12));
    policy.hear(&ended("back", "x", Cause::EngineRestart, 10), at(12));
    policy.engine(Line::Answers, at(13));
    let mut back = runs("back", "x");
    back.course.last_end = Some(End { at: at(10), cause: Cause::EngineRestart, detail: None });
    policy.hear(&back, at(14));
    let told = until(&mut policy, 14, 900);
    assert_eq!(lines(&told), ["23: The engine restarted", "23: own/x crashed"]);
    assert!(told[0].1.body.starts_with("Not running since: shop/x."), "{}", told[0].1.body);

    policy.engine(silent(), at(1_000));
    policy.engine(silent(), at(1_005));
    let told = until(&mut policy, 1_005, 1_100);
    assert_eq!(lines(&told), ["1015: The engine does not answer"]);
    assert!(told[0].1.body.starts_with("For 15 s now: no socket."), "{}", told[0].1.body);
    policy.engine(Line::Answers, at(1_200));
    let told = until(&mut policy, 1_200, 1_300);
    assert_eq!(lines(&told), ["1210: The engine is back"]);
    assert!(told[0].1.body.ends_with("All that ran of your workloads runs again."), "{}", told[0].1.body);

    // One that never answered cannot go.
    let mut policy = Policy::new(memory(), true, at(0));
    policy.engine(Line::Sought, at(0));
    policy.engine(silent(), at(1));
    assert_eq!(lines(&until(&mut policy, 1, 900)), [""; 0]);
}

#[test]
fn what_could_not_be_stored_is_due_again() {
    let mut policy = begun(memory());
    policy.hear(&crashed("a", "x", 10), at(10));
    let first = policy.due(at(13), &Names::new());
    let again = policy.due(at(18), &Names::new());
    assert_eq!((first.notices.len(), again.notices.len()), (1, 1));
    policy.confirm(&again, at(18));
    assert!(!policy.is_due(at(18)));
}

#[test]
fn a_row_that_goes_takes_what_was_told_of_it_along() {
    let mut policy = begun(memory());
    policy.hear(&crashed("a", "x", 10), at(10));
    assert_eq!(until(&mut policy, 10, 20).len(), 1);
    let row = RowId::new("a:x");
    policy.gone(&row);
    let telling = policy.due(at(30), &Names::new());
    assert_eq!(telling.forgotten, [(row, None)]);
    policy.confirm(&telling, at(30));
    assert_eq!(policy.memory.told.len(), 0);
}

#[derive(Debug, Clone)]
enum Step {
    Bad { workload: u8, role: u8 },
    Ill { workload: u8, role: u8 },
    Well { workload: u8, role: u8 },
    Wait(u16),
    Restart,
    EngineGoes,
    EngineReturns,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let of = || (0u8..3, 0u8..3);
    let step = prop_oneof![
        4 => of().prop_map(|(workload, role)| Step::Bad { workload, role }),
        2 => of().prop_map(|(workload, role)| Step::Ill { workload, role }),
        3 => of().prop_map(|(workload, role)| Step::Well { workload, role }),
        4 => (1u16..8).prop_map(Step::Wait),
        1 => (8u16..900).prop_map(Step::Wait),
        1 => Just(Step::Restart),
        1 => Just(Step::EngineGoes),
        1 => Just(Step::EngineReturns),
    ];
    proptest::collection::vec(step, 1..120)
}

proptest! {
    /// Whatever happens: of a workload at most six notices in any hour (and one more for each restart of ours, which
    /// tells what it missed), at most three within a minute, no trouble twice, also across our restarts.
    #[test]
    fn no_story_makes_a_user_hear_too_much_or_the_same_twice(steps in steps()) {
        let mut policy = begun(memory());
        let mut rows: BTreeMap<RowId, Row> = BTreeMap::new();
        let (mut second, mut restarts) = (100, 0);
        let mut told: Vec<(i64, Notice)> = vec![];
        let mut heard: Vec<(RowId, NoticeKind, Timestamp)> = vec![];
        for step in steps {
            let name = |workload: u8, role: u8| (format!("w{workload}"), format!("r{role}"));
            let row = match step {
                Step::Bad { workload, role } => {
                    let (workload, role) = name(workload, role);
                    Some(crashed(&workload, &role, second))
                }
                Step::Ill { workload, role } => {
                    let (workload, role) = name(workload, role);
                    Some(ill(&workload, &role, second))
                }
                Step::Well { workload, role } => {
                    let (workload, role) = name(workload, role);
                    Some(runs(&workload, &role))
                }
                Step::Wait(_) => None,
                Step::Restart => {
                    policy = Policy::new(policy.memory.clone(), true, at(second));
                    policy.engine(Line::Answers, at(second));
                    policy.hear_all(rows.values(), at(second));
                    policy.begin(at(second));
                    restarts += 1;
                    None
                }
                Step::EngineGoes => {
                    policy.engine(Line::Silent { reason: String::new() }, at(second));
                    None
                }
                Step::EngineReturns => {
                    policy.engine(Line::Answers, at(second));
                    None
                }
            };
            if let Some(row) = row {
                policy.hear(&row, at(second));
                rows.insert(row.id.clone(), row);
            }
            let next = second + if let Step::Wait(seconds) = step { i64::from(seconds) } else { 1 };
            let mut now = at(second);
            while now < at(next) {
                let telling = policy.due(now, &Names::new());
                for (row, kind, what) in &telling.told {
                    if *kind != NoticeKind::Flapping {
                        heard.push((row.clone(), *kind, what.since));
                    }
                }
                policy.confirm(&telling, now);
                told.extend(telling.notices.into_iter().map(|notice| (now.as_second(), notice)));
                let Some(wake) = policy.next_wake(now) else { break };
                now = wake;
            }
            second = next;
        }
        let all = heard.len();
        heard.sort();
        heard.dedup();
        prop_assert_eq!(heard.len(), all, "nothing is told twice");
        let numbers: Vec<u64> = told.iter().map(|(_, notice)| notice.id).collect();
        prop_assert!(numbers.iter().copied().eq(1..=numbers.len() as u64), "{:?}", numbers);
        let of_findings: Vec<&(i64, Notice)> =
            told.iter().filter(|(_, notice)| Sent::of(notice).is_of_findings()).collect();
        for (when, _) in &told {
            let within_a_minute =
                of_findings.iter().filter(|(second, _)| *when - 60 < *second && second <= when);
            prop_assert!(within_a_minute.count() <= MOST + restarts, "{:?}", lines(&told));
            for workload in 0..3 {
                let id = WorkloadId::new(format!("w{workload}"));
                let of_it = of_findings.iter().filter(|(second, notice)| {
                    *when - 3_600 < *second && second <= when && notice.workload_ids.contains(&id)
                });
                prop_assert!(of_it.count() <= WAITS_MIN.len() + restarts, "{:?}", lines(&told));
            }
        }
    }
}
