//! The real window on a screen of its own, on an engine with a dozen running containers. Every time ends with pixels: a
//! part of the window is read from the screen every half millisecond until it is another picture. So drawing, laying
//! out and bringing to the screen are in it, and no clock of the page's is believed.
//!
//! *Dies → painted*: from the SIGKILL to a container's program to the first changed pixel of its row's state. Beside it
//! stands when the engine itself told it to somebody who waited for that one death and asked at once: no index that
//! believes only what an inspect says can know it sooner.
//!
//! *Click*: from the press of the mouse's button over a row, by the screen's own means, to the first changed pixel of
//! that row. The row is hovered and still before.
//!
//! *First useful paint*: from the start of the program, with its core inside, to the moment at which the home page's
//! counts are on the screen as they are when all is settled: pixel by pixel the picture that another window of the
//! same size showed of the same containers. The median of five, after one that is not counted.

use std::thread::sleep;
use std::time::{Duration, Instant};

use harness::desktop::{DEADLINE, Desktop};
use harness::engine::RealEngine;
use harness::page::Page;
use harness::screen::{Area, Screen};
use rustix::process::{Pid, Signal, kill_process};
use tinyforge_core::rules::ids::ContainerId;

use crate::gauge::{median, ms, percentile};
use crate::other::Other;
use crate::table::Figure;

const TITLE: &str = "Tinyforge";
/// The home page's counts.
const COUNTS: &str = "main ul";
const CONTAINERS: usize = 12;
/// Each container dies this often.
const DEATHS: usize = 2;
const CLICKS: usize = 20;
const STARTS: usize = 5;
/// Within which a death is to be seen.
const DEATH: Duration = Duration::from_millis(60);
/// Between two looks at the screen.
const GLANCE: Duration = Duration::from_micros(500);
/// A picture that has been the same for so long is a still one.
const STILL: Duration = Duration::from_millis(150);

pub fn measure() -> Vec<Figure> {
    let engine = RealEngine::start();
    let mut other = Other::of(&engine);
    let ids: Vec<ContainerId> = (0..CONTAINERS).map(|n| other.run(&name(n))).collect();
    let mut desktop = Desktop::start(&engine.host());
    let page = desktop.open_page();
    page.go_to("Containers");
    let sight = Sight::of(&desktop);
    let mut figures = vec![deaths(&page, &sight, &engine, &ids), clicks(&page, &sight)];
    page.go_to("Home");
    // What the pointer is over has another colour.
    sight.screen.point_at(sight.window, page.area("nav"));
    let area = page.area(COUNTS);
    let settled = sight.still(area);
    drop(desktop);
    figures.push(first_paint(&engine, area, &settled));
    figures
}

fn deaths(page: &Page, sight: &Sight, engine: &RealEngine, ids: &[ContainerId]) -> Figure {
    let (mut other, mut witness) = (Other::of(engine), Other::of(engine));
    let (mut times, mut engines) = (vec![], vec![]);
    for n in (0..CONTAINERS * DEATHS).map(|n| n % CONTAINERS) {
        page.until_row(&name(n), "running");
        let area = page.area(&format!("[data-container='{}'] .state", name(n)));
        let before = sight.still(area);
        let program = other.inspect(&ids[n])["State"]["Pid"].as_i64().expect("what runs has a program");
        let program = i32::try_from(program).ok().and_then(Pid::from_raw).expect("a process");
        let (began, painted, told) = std::thread::scope(|scope| {
            let told = scope.spawn(|| witness.told_dead(&ids[n]));
            let began = Instant::now();
            kill_process(program, Signal::KILL).expect("the program can be ended");
            (began, sight.another(area, &before), told.join().expect("the engine tells of a death"))
        });
        times.push(painted.duration_since(began));
        engines.push(told.duration_since(began));
        page.until_row(&name(n), "stopped");
        other.start(&ids[n]);
        page.until_row(&name(n), "running");
    }
    let (painted, told) = (median(&times), median(&engines));
    let engine_alone = (told >= DEATH).then(|| {
        format!(
            "the engine itself takes {} to tell a death on this machine; from its word to the pixel it is {}",
            ms(told),
            ms(painted.saturating_sub(told))
        )
    });
    Figure::new("container dies → painted in the window, median", ms(painted))
        .beside(format!(
            "the engine tells whoever waits: {}; worst {}; lazydocker 175 ms, Dockge 6.1 s",
            ms(told),
            ms(percentile(&times, 100))
        ))
        .goal("< 60 ms", painted < DEATH)
        .unless_met(engine_alone)
}

fn clicks(page: &Page, sight: &Sight) -> Figure {
    let times: Vec<Duration> = (0..CLICKS)
        .map(|click| {
            let area = page.area(&format!("[data-container='{}'] .name", name(click % 2)));
            sight.screen.point_at(sight.window, area);
            let before = sight.still(area);
            let began = Instant::now();
            sight.screen.press();
            let took = sight.another(area, &before).duration_since(began);
            sight.screen.release();
            took
        })
        .collect();
    let (reaction, worst) = (median(&times), percentile(&times, 100));
    Figure::new("reaction to a click, median", ms(reaction))
        .beside(format!("worst of {CLICKS}: {}", ms(worst)))
        .goal("< 50 ms", reaction < Duration::from_millis(50))
}

fn first_paint(engine: &RealEngine, area: Area, settled: &[u8]) -> Figure {
    let desktop = Desktop::start(&engine.host());
    let screen = desktop.screen();
    let starts: Vec<Duration> = (0..=STARTS)
        .map(|_| {
            let began = Instant::now();
            let program = desktop.start_window();
            let took = until_it_shows(&screen, area, settled).duration_since(began);
            program.ask_to_stop();
            program.ended();
            took
        })
        .collect();
    let took = median(&starts[1..]);
    Figure::new("first useful paint of the window, median", ms(took))
        .beside(format!("the first start of all: {}", ms(starts[0])))
        .goal("< 1 s", took < Duration::from_secs(1))
}

/// When a window has that picture there.
fn until_it_shows(screen: &Screen, area: Area, settled: &[u8]) -> Instant {
    let deadline = Instant::now() + DEADLINE;
    loop {
        let windows = screen.windows(TITLE);
        if windows.first().is_some_and(|window| screen.pixels(*window, area) == settled) {
            return Instant::now();
        }
        assert!(
            Instant::now() < deadline,
            "the counts are never on the screen as another window showed them"
        );
        sleep(GLANCE);
    }
}

/// The window as it is on the screen.
struct Sight {
    screen: Screen,
    window: u32,
}

impl Sight {
    fn of(desktop: &Desktop) -> Self {
        let screen = desktop.screen();
        let window = screen.wait_for(TITLE);
        Self { screen, window }
    }

    /// The picture there, once it no longer changes.
    fn still(&self, area: Area) -> Vec<u8> {
        let deadline = Instant::now() + DEADLINE;
        let (mut picture, mut since) = (self.screen.pixels(self.window, area), Instant::now());
        while since.elapsed() < STILL || picture.is_empty() {
            assert!(Instant::now() < deadline, "the window never stands still at {area:?}");
            sleep(GLANCE);
            let now = self.screen.pixels(self.window, area);
            if now != picture {
                (picture, since) = (now, Instant::now());
            }
        }
        picture
    }

    /// When the picture there is another one.
    fn another(&self, area: Area, than: &[u8]) -> Instant {
        let deadline = Instant::now() + DEADLINE;
        while self.screen.pixels(self.window, area) == than {
            assert!(Instant::now() < deadline, "the window stays as it was at {area:?}");
            sleep(GLANCE);
        }
        Instant::now()
    }
}

fn name(n: usize) -> String {
    format!("p{n}")
}
