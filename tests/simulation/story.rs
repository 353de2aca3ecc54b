//! What a step may do: an answer, an event, time, an act of the world, or a mishap. The seed decides which.

use std::time::Duration;

use futures_util::FutureExt as _;
use jiff::SignedDuration;
use tinyforge_core::docker::EngineError;
use tinyforge_core::docker::fake::{OnTerm, RestartPolicy, Spec};
use tinyforge_core::rules::container::{Health, State, WorkloadKind};
use tinyforge_core::rules::dispatch::Recorded;
use tinyforge_core::rules::ids::{ContainerId, RowId, WorkloadId};
use tinyforge_core::rules::row::{Decided, Owner};
use tinyforge_core::store::{Placeholder, RecordedBy, StoreError};

use crate::oracle::Broken;
use crate::world::{Fate, Open, PROJECT, SITE, STACK, World};

/// Which mishaps a schedule knows. The default is fair weather: answers and events are late, and that is all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Climate {
    /// Events are lost, or come twice.
    pub lossy: bool,
    /// Events overtake each other.
    pub shuffled: bool,
    /// Answers are lost, refused, cannot be read.
    pub failing: bool,
    /// Listings are truncated, filtered, older than they ought to be.
    pub mangled: bool,
    /// The database's jobs wait and fail.
    pub store: bool,
    /// Our process is killed, stopped and started.
    pub process: bool,
    /// The engine restarts, is killed, hangs, goes away.
    pub engine: bool,
    /// Another engine answers behind the same socket.
    pub others: bool,
    /// The clock jumps, the machine sleeps, our process is frozen.
    pub clocks: bool,
    /// Things change without an event.
    pub silent: bool,
    /// A deployer and a user write to the database.
    pub deploys: bool,
}

impl Climate {
    pub fn drawn(chance: &mut fastrand::Rng) -> Self {
        if chance.u8(0..6) == 0 {
            return Self::default();
        }
        let mut some = || chance.u8(0..5) < 2;
        Self {
            lossy: some(),
            shuffled: some(),
            failing: some(),
            mangled: some(),
            store: some(),
            process: some(),
            engine: some(),
            others: some(),
            clocks: some(),
            silent: some(),
            deploys: some(),
        }
    }
}

/// A deploy under way, as far as the index is concerned: its placeholder, and the container it made.
#[derive(Debug, Clone)]
pub struct Deploy {
    pub id: String,
    pub row: RowId,
    pub role: String,
    pub container: Option<ContainerId>,
}

const ROLES: [&str; 3] = ["web", "api", "worker"];

/// What is there at the beginning.
pub fn furnish(world: &mut World) {
    world.climate = Climate::drawn(&mut world.chance);
    if world.chance.bool() {
        let lag = Duration::from_millis(world.chance.u64(0..=600));
        let takes = Duration::from_millis(world.chance.u64(100..=10_000));
        world.engine.change_weather(|weather| (weather.list_lag, weather.restart_takes) = (lag, takes));
    }
    for _ in 0..world.chance.usize(2..=7) {
        let spec = spec(world);
        // One that does not start is there all the same.
        let _ = if world.chance.u8(0..4) == 0 { world.engine.create(spec) } else { world.engine.run(spec) };
    }
    world.meet();
}

pub async fn step(world: &mut World) -> Result<(), Broken> {
    let roll = world.chance.u8(0..100);
    match roll {
        0..=29 => an_answer(world),
        30..=33 => a_look(world),
        34..=49 => an_event(world),
        50..=57 => {
            let time = a_time(world);
            world.tell(|| format!("{time:?} pass"));
            return world.pass(time).await;
        }
        58..=64 => return everything_for_now(world).await,
        65..=84 => an_act(world),
        _ => return a_mishap(world).await,
    }
    world.turn().await
}

/// What is asked is answered, and what is on its way arrives.
async fn everything_for_now(world: &mut World) -> Result<(), Broken> {
    for at in (0..world.calls.len()).rev() {
        world.deliver(at, Fate::Honest);
    }
    for stream in 0..world.streams.len() {
        while world.let_through(stream, 0) {}
    }
    world.turn().await
}

fn a_time(world: &mut World) -> Duration {
    let chance = &mut world.chance;
    Duration::from_millis(match chance.u8(0..10) {
        0..=4 => chance.u64(1..60),
        5..=7 => chance.u64(100..2_500),
        8 => chance.u64(2_500..12_000),
        _ => chance.u64(12_000..45_000),
    })
}

fn an_answer(world: &mut World) {
    if world.calls.is_empty() {
        return an_act(world);
    }
    let at = world.chance.usize(..world.calls.len());
    let fate = a_fate(world);
    world.deliver(at, fate);
}

/// The engine looks now; the answer comes later.
fn a_look(world: &mut World) {
    if world.calls.is_empty() {
        return an_event(world);
    }
    let at = world.chance.usize(..world.calls.len());
    world.look(at);
}

fn a_fate(world: &mut World) -> Fate {
    let Climate { failing, mangled, .. } = world.climate;
    let chance = &mut world.chance;
    if failing && chance.u8(0..5) == 0 {
        return [Fate::Lost, Fate::Refused, Fate::Garbled][chance.usize(..3)];
    }
    if mangled && chance.u8(0..2) == 0 {
        return match chance.u8(0..4) {
            0 => Fate::Truncated(0),
            1 => Fate::Truncated(chance.usize(..6)),
            2 => Fate::Filtered(chance.u64(..)),
            _ => Fate::Older(chance.usize(1..6)),
        };
    }
    Fate::Honest
}

fn an_event(world: &mut World) {
    let waiting: Vec<usize> =
        (0..world.streams.len()).filter(|at| !world.streams[*at].queue.is_empty()).collect();
    let Some(&stream) = waiting.first() else { return an_answer_or_end(world) };
    let length = world.streams[stream].queue.len();
    let place = if world.climate.shuffled { world.chance.usize(..length) } else { 0 };
    if world.climate.lossy {
        match world.chance.u8(0..6) {
            0 => {
                let lost = world.streams[stream].queue.remove(place);
                world.happened.unseen = true;
                world.tell(|| format!("event {:?} is lost", lost.map(|event| event.action)));
                return;
            }
            1 => {
                let again = world.streams[stream].queue[place].clone();
                world.streams[stream].queue.insert(place, again);
            }
            _ => {}
        }
    }
    world.let_through(stream, place);
}

fn an_answer_or_end(world: &mut World) {
    match world.streams.iter().position(Open::has_ended) {
        Some(stream) => world.end_stream(stream),
        None if world.calls.is_empty() => an_act(world),
        None => an_answer(world),
    }
}

// ---- the world ----------------------------------------------------------------------------------------------------

fn spec(world: &mut World) -> Spec {
    world.made += 1;
    let n = world.made;
    let chance = &mut world.chance;
    let role = ROLES[chance.usize(..ROLES.len())];
    let spec = match chance.u8(0..8) {
        0..=2 => Spec::named(&format!("foreign-{n}")),
        3..=4 => Spec::named(&format!("shop-{n}")).managed(PROJECT, WorkloadKind::Project, role),
        5 => Spec::named(&format!("blog-{n}")).compose(STACK, role),
        6 => Spec::named(&format!("docs-{n}")).managed(SITE, WorkloadKind::Site, "site"),
        // Its label names what does not exist, or as what it is not.
        _ => Spec::named(&format!("odd-{n}")).managed("nothing", WorkloadKind::Stack, role),
    };
    let policies =
        [RestartPolicy::No, RestartPolicy::No, RestartPolicy::UnlessStopped, RestartPolicy::OnFailure];
    let mut spec = spec.restart(policies[chance.usize(..policies.len())]);
    spec.health_check = chance.u8(0..4) == 0;
    spec.auto_remove = chance.u8(0..8) == 0;
    if chance.u8(0..4) == 0 {
        spec = spec.publish(80);
    }
    if chance.u8(0..6) == 0 {
        spec = spec.on_term(OnTerm::Ignore);
    }
    if chance.u8(0..16) == 0 {
        spec = spec.fails_to_start("no such file or directory");
    }
    spec
}

pub fn somebody(world: &mut World) -> Option<ContainerId> {
    let here = world.engine_id();
    let there: Vec<&ContainerId> = world.oracle.known_on(&here).filter(|id| world.engine.has(id)).collect();
    if there.is_empty() {
        return None;
    }
    Some(there[world.chance.usize(..there.len())].clone())
}

/// What cannot be done in the state at hand is refused by the engine, as it should be.
pub fn an_act(world: &mut World) {
    let Some(id) = somebody(world) else { return appear(world) };
    let act = world.chance.u8(0..22);
    do_it(world, act, &id);
}

/// The acts that [`do_it`] knows.
pub const ACTS: u8 = 22;

pub fn do_it(world: &mut World, act: u8, id: &ContainerId) {
    let engine = world.engine.clone();
    let (said, outcome): (&str, Result<(), EngineError>) = match act {
        0 | 1 => ("start", engine.start_container(id)),
        2 => ("stop", engine.stop_container(id)),
        3 => ("die", engine.die(id, world.chance.i64(0..3))),
        4 => ("pause", engine.pause(id)),
        5 => ("unpause", engine.unpause(id)),
        6 => {
            let signal = [9, 15, 1][world.chance.usize(..3)];
            ("kill", engine.kill(id, signal))
        }
        7 => ("oom", engine.oom(id)),
        8 => {
            world.made += 1;
            ("rename", engine.rename(id, &format!("renamed-{}", world.made)))
        }
        9 => ("swap names", swap_names(world, id)),
        10 => ("restart", engine.restart_container(id)),
        11 => ("remove", engine.remove(id)),
        12 => ("force remove", engine.force_remove(id)),
        13 => ("recreate by compose", engine.compose_recreate(id, "another:2").map(drop)),
        14 | 15 => {
            let health = [Health::Starting, Health::Healthy, Health::Unhealthy][world.chance.usize(..3)];
            ("health", engine.set_health(id, health))
        }
        16 => ("update", engine.update(id, RestartPolicy::Always)),
        17 => ("remove and use the name again", use_the_name_again(world, id)),
        18 => return run_rm(world),
        _ => return appear(world),
    };
    world.meet();
    world.tell(|| match outcome {
        Ok(()) => format!("{said} {}", id.short()),
        Err(error) => format!("{said} {}: {error}", id.short()),
    });
}

fn appear(world: &mut World) {
    let spec = spec(world);
    let name = spec.name.clone();
    // One that does not start is there all the same.
    let _ = if world.chance.u8(0..5) == 0 { world.engine.create(spec) } else { world.engine.run(spec) };
    world.meet();
    let id = world.engine.id_of(&name);
    world.tell(|| format!("{name} is there: {}", id.as_ref().map_or("-", ContainerId::short)));
}

fn run_rm(world: &mut World) {
    world.made += 1;
    let name = format!("brief-{}", world.made);
    if let Ok(id) = world.engine.run_rm(Spec::named(&name), 0) {
        world.tell(|| format!("run --rm {}", id.short()));
        world.know(id);
    }
}

fn swap_names(world: &mut World, id: &ContainerId) -> Result<(), EngineError> {
    let Some(other) = somebody(world).filter(|other| other != id) else { return Ok(()) };
    let name = |id: &ContainerId| world.engine.truth_of(id).map(|seen| seen.name).unwrap_or_default();
    let (mine, its) = (name(id), name(&other));
    world.engine.rename(id, "in-between")?;
    world.engine.rename(&other, &mine)?;
    world.engine.rename(id, &its)
}

fn use_the_name_again(world: &mut World, id: &ContainerId) -> Result<(), EngineError> {
    let Some(seen) = world.engine.truth_of(id) else { return Ok(()) };
    world.engine.force_remove(id)?;
    let mut spec = Spec::named(&seen.name);
    spec.labels = seen.labels;
    world.engine.run(spec).map(drop)
}

// ---- mishaps ------------------------------------------------------------------------------------------------------

async fn a_mishap(world: &mut World) -> Result<(), Broken> {
    let climate = world.climate;
    match world.chance.u8(0..9) {
        0 if climate.engine => of_the_engine(world),
        1 if climate.others => another_engine(world),
        2 | 3 if climate.store => of_the_store(world),
        4 if climate.process => return of_our_process(world).await,
        5 if climate.clocks => return of_time(world).await,
        6 if climate.silent => silently(world),
        7 | 8 if climate.deploys => a_deploy(world),
        0 if climate.lossy || climate.failing => {
            world.tell(|| "the streams break".to_owned());
            world.engine.break_streams();
        }
        1 => ask_for_a_look(world),
        _ => an_act(world),
    }
    world.turn().await
}

fn of_the_engine(world: &mut World) {
    let engine = world.engine.clone();
    let reach = engine.knock();
    let said = match (world.chance.u8(0..7), reach) {
        (0, Some(Ok(()))) => {
            engine.restart_engine();
            "the engine restarts"
        }
        (1, Some(Ok(()))) => {
            engine.kill_engine();
            "the engine is killed"
        }
        (2, Some(Ok(()))) => {
            engine.hang();
            "the engine hangs"
        }
        (3, Some(Ok(()))) => {
            engine.go_away();
            "the way to the engine is gone"
        }
        (4, Some(Ok(()))) => {
            engine.noise(300);
            engine.break_streams();
            "the ring is flushed and the streams break"
        }
        (5, Some(Ok(()))) => {
            engine.deny();
            "the socket is forbidden"
        }
        (_, Some(Ok(()))) => {
            engine.break_streams();
            "the streams break"
        }
        _ => {
            engine.come_back();
            "the engine is back"
        }
    };
    world.tell(|| said.to_owned());
}

fn another_engine(world: &mut World) {
    let id = ["FAKE:WORLD", "SECOND", "THIRD"][world.chance.usize(..3)];
    if world.engine.engine_id().as_str() == id {
        return an_act(world);
    }
    world.engine.become_another_engine(id);
    world.tell(|| format!("{id} answers behind the socket"));
    world.sever();
    if somebody(world).is_none() {
        appear(world);
    }
}

fn of_the_store(world: &mut World) {
    match world.chance.u8(0..6) {
        0 | 1 => {
            world.gate.shut();
            world.tell(|| "the database is locked".to_owned());
        }
        2 => {
            let error = StoreError::DiskFull { during: "writing".to_owned() };
            if world.gate.next(Err(error)) {
                world.happened.store_failed = true;
                world.tell(|| "a job of the database fails".to_owned());
            }
        }
        3 => {
            let error = StoreError::Damaged { during: "reading".to_owned(), reason: "on purpose".to_owned() };
            world.gate.fail_the_next_read(error);
            world.happened.store_failed = true;
            world.tell(|| "the next read of the database fails".to_owned());
        }
        4 => {
            world.gate.next(Ok(()));
            world.tell(|| "a job of the database goes through".to_owned());
        }
        _ => {
            world.gate.open();
            world.tell(|| "the database is free".to_owned());
        }
    }
}

async fn of_our_process(world: &mut World) -> Result<(), Broken> {
    match (world.index.is_some(), world.chance.u8(0..3)) {
        (false, _) => {
            world.begin();
            world.tell(|| "our process starts".to_owned());
        }
        (true, 0) if !world.gate.is_shut() => {
            world.tell(|| "our process stops".to_owned());
            if let Some(index) = world.index.take() {
                world.oracle.began();
                let stopping = tokio::spawn(async move { index.stop().await });
                world.turn().await?;
                if !stopping.is_finished() {
                    stopping.abort();
                }
            }
            world.crash();
        }
        (true, _) => {
            world.crash();
            world.tell(|| "our process is killed".to_owned());
            if world.chance.bool() {
                world.turn().await?;
                world.begin();
                world.tell(|| "our process starts".to_owned());
            }
        }
    }
    world.turn().await
}

async fn of_time(world: &mut World) -> Result<(), Broken> {
    let long = Duration::from_secs(world.chance.u64(6..90));
    world.oracle.disturbed();
    match world.chance.u8(0..4) {
        0 => {
            let by = SignedDuration::from_secs(world.chance.i64(-20_000..20_000));
            world.clock.set(by);
            world.tell(|| format!("somebody sets the clock by {by:#}"));
        }
        1 => {
            world.clock.suspend(long);
            world.tell(|| format!("the machine sleeps for {long:?}"));
        }
        _ => {
            for _ in 0..world.chance.usize(..3) {
                an_act(world);
            }
            world.tell(|| format!("our process is frozen for {long:?}"));
            tokio::time::advance(long).await;
        }
    }
    world.turn().await
}

fn silently(world: &mut World) {
    let here = world.engine_id();
    world.happened.unseen = true;
    if world.chance.bool() {
        let gone: Vec<ContainerId> =
            world.oracle.known_on(&here).filter(|id| !world.engine.has(id)).cloned().collect();
        if !gone.is_empty() {
            let id = &gone[world.chance.usize(..gone.len())];
            let _ = world.engine.bring_back(id);
            world.tell(|| format!("{} is back", id.short()));
            return;
        }
    }
    if let Some(id) = somebody(world) {
        let state = [State::Removing, State::Failed, State::Unknown][world.chance.usize(..3)];
        let _ = world.engine.set_state(&id, state);
        world.tell(|| format!("{} is {state}, silently", id.short()));
    }
}

fn ask_for_a_look(world: &mut World) {
    if let (Some(id), Some(index)) = (somebody(world), world.index.clone()) {
        world.tell(|| format!("somebody asks for a look at {}", id.short()));
        world.waiters.push(tokio::spawn(async move { index.look(&id).await }));
    }
}

// ---- the deployer -------------------------------------------------------------------------------------------------

fn a_deploy(world: &mut World) {
    // What the deployer writes the reconciler may find in its way: a commit fails, and is planned anew.
    world.happened.in_its_way = true;
    match world.chance.u8(0..5) {
        0 => place(world),
        1 | 2 => make(world),
        3 => decide(world),
        _ => end(world),
    }
}

fn place(world: &mut World) {
    world.made += 1;
    let deploy = format!("deploy-{}", world.made);
    let role = ROLES[world.chance.usize(..ROLES.len())];
    let plain = RowId::new(format!("{PROJECT}:{role}"));
    let row = if world.oracle.has_row(&plain) { RowId::new(format!("{plain}:{deploy}")) } else { plain };
    let placeholder = Placeholder {
        id: row.clone(),
        engine_id: world.engine_id(),
        owner: Owner::Workload {
            id: WorkloadId::new(PROJECT),
            kind: WorkloadKind::Project,
            role: role.to_owned(),
        },
        name: deploy.clone(),
        image: "shop:2".to_owned(),
        decided: Decided { deploy_id: Some(deploy.clone()), ..Decided::default() },
    };
    world.ours(|store, now| store.insert_placeholder(placeholder, now).now_or_never().unwrap().unwrap());
    world.tell(|| format!("{deploy} places {row}"));
    world.deploys.push(Deploy { id: deploy, row, role: role.to_owned(), container: None });
}

fn make(world: &mut World) {
    let Some(at) = world.deploys.iter().rposition(|deploy| deploy.container.is_none()) else {
        return place(world);
    };
    let Deploy { id: deploy, role, .. } = world.deploys[at].clone();
    let spec = Spec::named(&deploy).managed(PROJECT, WorkloadKind::Project, &role);
    let Ok(id) = world.engine.create(spec) else { return };
    world.know(id.clone());
    let to = Recorded { workload_id: WorkloadId::new(PROJECT), role, deploy_id: Some(deploy.clone()) };
    let engine = world.engine_id();
    world.ours(|store, now| {
        let made = store.record_container(&engine, &id, to, RecordedBy::Journal, now);
        made.now_or_never().unwrap().unwrap();
    });
    world.oracle.recorded.insert(id.clone(), Some(deploy.clone()));
    world.tell(|| format!("{deploy} makes {}", id.short()));
    world.deploys[at].container = Some(id);
}

fn decide(world: &mut World) {
    let owned: Vec<(RowId, Decided)> = (world.oracle.rows())
        .filter(|row| !row.owner.is_foreign())
        .map(|row| (row.id.clone(), row.decided.clone()))
        .collect();
    if owned.is_empty() {
        return;
    }
    world.made += 1;
    let (row, before) = owned[world.chance.usize(..owned.len())].clone();
    let said = format!("v{}", world.made);
    let decided = Decided { image_tag: Some(said.clone()), release_id: Some(said.clone()), ..before };
    world.ours(|store, now| store.commit_decision(&row, decided, now).now_or_never().unwrap().unwrap());
    world.tell(|| format!("{row} is decided to be {said}"));
}

fn end(world: &mut World) {
    if world.deploys.is_empty() {
        return place(world);
    }
    let at = world.chance.usize(..world.deploys.len());
    let deploy = world.deploys.remove(at);
    let empty = world.oracle.rows().any(|row| row.id == deploy.row && row.container_id.is_none());
    if empty {
        world.ours(|store, now| {
            store.end_placeholder(&deploy.row, &deploy.id, now).now_or_never().unwrap().unwrap();
        });
        world.tell(|| format!("{} ends without {}", deploy.id, deploy.row));
    }
}
