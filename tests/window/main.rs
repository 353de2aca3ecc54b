//! The real window, on a screen of its own, against a real engine of its own.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by a panic")]

mod pages;

use std::io::Write as _;
use std::os::unix::net::UnixListener;

use harness::desktop::{Desktop, until};
use harness::engine::{IMAGE, RealEngine};
use harness::notifications::Notifications;
use harness::tray::Tray;
use serde_json::json;
use tinyforge_core::clock::Timestamp;
use tinyforge_core::control::protocol::{FromDaemon, Hello, encode};
use tinyforge_core::events::Bus;
use tinyforge_core::rules::ids::WorkloadId;
use tinyforge_core::store::{NewShape, NewWorkload, Store};

/// The window's title.
const TITLE: &str = "Tinyforge";

/// No engine listens here.
const NOWHERE: &str = "unix:///nowhere/docker.sock";

/// From now on counts what the window is told, and which rows are drawn again.
const COUNT: &str = r"
    window.patches = [];
    window.drawn = new Set();
    const { invoke, transformCallback } = window.__TAURI_INTERNALS__;
    const handler = transformCallback(({ payload }) => {
        if (payload.type === 'patch') window.patches.push(payload.upserts.length + payload.removals.length);
    });
    invoke('plugin:event|listen', { event: 'announced', target: { kind: 'Any' }, handler });
    new MutationObserver((records) => {
        for (const { target } of records) {
            const element = target instanceof Element ? target : target.parentElement;
            const row = element?.closest('[data-container]');
            const ticks = element?.closest('time');
            if (row && !ticks) window.drawn.add(row.dataset.container);
        }
    }).observe(document.body, { subtree: true, childList: true, characterData: true, attributes: true });
    return true;";

#[test]
fn what_happens_on_the_engine_is_on_the_screen() {
    let engine = RealEngine::start();
    let mut desktop = Desktop::start(&engine.host());
    let page = desktop.open_page();
    page.go_to("Containers");
    page.until_it_says("No containers yet");

    let id = engine.run(&["--name", "outside", IMAGE]);
    page.until_row("outside", "running");
    engine.run(&["--name", "bystander", IMAGE]);
    page.until_row("bystander", "running");

    page.ask(COUNT);
    engine.docker(&["rename", "outside", "renamed"]).ok();
    page.until_row("renamed", "running");
    assert_eq!(page.ask("return window.patches"), json!([1]), "one change is one patch with one entry");
    assert_eq!(page.ask("return [...window.drawn]"), json!(["renamed"]), "and draws one row");

    engine.docker(&["stop", "renamed"]).ok();
    page.until_row("renamed", "stopped");
    page.until_it_says("Stopped by somebody");

    engine.docker(&["rm", "-f", id.as_str()]).ok();
    page.until_no_row("renamed");
    page.until_row("bystander", "running");
}

#[test]
fn the_window_says_that_the_engine_is_away_and_heals_when_it_is_back() {
    let engine = RealEngine::start();
    engine.run(&["--name", "steady", IMAGE]);
    let mut desktop = Desktop::start(&engine.host());
    let page = desktop.open_page();
    page.go_to("Containers");
    page.until_row("steady", "running");
    page.until_trust("exact");

    engine.stop_term();
    page.until_trust("away");
    page.until_it_says("The engine does not answer");
    let outdated = "return document.querySelector('.outdated [data-container=steady]') !== null";
    page.until("the last truth stays, greyed", outdated);

    engine.start_again();
    page.until_trust("exact");
    page.until_it_no_longer_says("The engine does not answer");
    page.until_row("steady", "stopped");
}

#[test]
fn a_container_is_stopped_and_started_from_its_row() {
    let engine = RealEngine::start();
    engine.run(&["--name", "worker", IMAGE]);
    let mut desktop = Desktop::start(&engine.host());
    let page = desktop.open_page();
    page.go_to("Containers");
    page.until_row("worker", "running");

    let state = || engine.docker(&["inspect", "-f", "{{.State.Status}}", "worker"]).ok();
    page.click("//*[@data-container='worker']");
    page.click("//*[@role='dialog']//button[@aria-label='Stop worker']");
    page.until_row("worker", "stopped");
    assert_eq!(state(), "exited");
    page.click("//*[@role='dialog']//button[@aria-label='Start worker']");
    page.until_row("worker", "running");
    assert_eq!(state(), "running");
}

#[test]
fn closing_goes_to_the_tray_and_frees_the_web_view_and_the_tray_brings_it_back() {
    let desktop = Desktop::start(NOWHERE);
    let tray = Tray::watch(desktop.bus());
    let screen = desktop.screen();
    let mut program = desktop.start_window();
    let window = screen.wait_for(TITLE);
    until("the window draws itself", || screen.colours(window) > 20);
    tray.wait_for_entry("No engine was found");

    screen.click_the_cross(window);
    screen.wait_for_none(TITLE);
    until("the web view is freed", || desktop.processes("WebKitWebProcess").is_empty());
    assert!(program.is_running(), "the daemon goes on in the tray");

    tray.click("Open Tinyforge");
    let again = screen.wait_for(TITLE);
    until("the window draws itself again", || screen.colours(again) > 20);

    let second = desktop.start_window().ended();
    assert_eq!(second.code, Some(0), "a second start hands over to the first: {}", second.stderr);
    assert_eq!(screen.windows(TITLE).len(), 1, "and opens no second window");

    tray.click("Quit");
    let ended = program.ended();
    assert_eq!(ended.code, Some(0), "Quit ends it in order: {}", ended.stderr);
}

#[test]
fn without_a_tray_closing_asks_and_a_second_start_brings_the_window_back() {
    let mut desktop = Desktop::start(NOWHERE);
    let screen = desktop.screen();
    let page = desktop.open_page();
    page.until_it_says("No engine was found");

    screen.click_the_cross(screen.wait_for(TITLE));
    page.until_it_says("Close the window?");
    page.click_away("//button[contains(., 'Keep running')]");
    screen.wait_for_none(TITLE);
    assert_eq!(desktop.processes("tinyforge-app").len(), 1, "it goes on without a window");

    let second = desktop.start_window().ended();
    assert_eq!(second.code, Some(0), "{}", second.stderr);
    let again = screen.wait_for(TITLE);
    until("the window draws itself again", || screen.colours(again) > 20);
}

#[test]
fn the_window_attaches_to_a_running_daemon_and_takes_over_when_it_ends() {
    let engine = RealEngine::start();
    let mut desktop = Desktop::start(&engine.host());
    let mut daemon = desktop.start_daemon();
    let page = desktop.open_page();
    page.go_to("Health");
    page.until_it_says("attached to a running daemon");
    page.go_to("Containers");
    engine.run(&["--name", "first", IMAGE]);
    page.until_row("first", "running");

    daemon.ask_to_stop();
    until("the daemon has ended", || !daemon.is_running());
    page.go_to("Health");
    page.until_it_says("runs in this window");
    page.go_to("Containers");
    engine.run(&["--name", "second", IMAGE]);
    page.until_row("second", "running");
    page.until_row("first", "running");
}

#[test]
fn the_demo_says_on_every_page_that_its_engine_is_simulated() {
    let mut desktop = Desktop::start(NOWHERE);
    desktop.set("TINYFORGE_DEMO", "1");
    let page = desktop.open_page();
    for name in ["Containers", "Health", "Home"] {
        page.go_to(name);
        page.until_it_says("Demo");
        page.until_trust("exact");
    }
    page.go_to("Containers");
    page.until_row("shop-web-1", "running");
}

#[test]
fn without_an_engine_no_number_of_containers_is_claimed() {
    let mut desktop = Desktop::start(NOWHERE);
    let page = desktop.open_page();
    page.until_it_says("No engine was found");
    page.until_it_no_longer_says("`");
    let pages = [
        ("Containers", "Nothing is known of the containers"),
        ("Home", "Get an engine, and its containers appear here"),
    ];
    for (name, says) in pages {
        page.go_to(name);
        page.until_it_says(says);
        let noughts = "return /[0-9]/.test(document.querySelector('nav').innerText)";
        assert_eq!(page.ask(noughts), json!(false), "the navigation counts nothing either");
    }
}

#[test]
fn a_daemon_of_another_version_is_said_plainly() {
    let mut desktop = Desktop::start(NOWHERE);
    let socket = desktop.home().prepare_socket().unwrap();
    let listener = UnixListener::bind(socket).unwrap();
    let stranger = Hello { version: "9.9.9".to_owned(), protocol: 999, pid: std::process::id() };
    let hello = encode(&FromDaemon::Hello(stranger)).unwrap();
    std::thread::spawn(move || {
        for face in listener.incoming() {
            let _ = face.and_then(|mut face| face.write_all(&hello));
        }
    });
    let page = desktop.open_page();
    page.until_it_says("The daemon has another version");
    page.until_it_says("9.9.9");
}

#[test]
fn without_a_screen_it_says_so_and_ends_with_1() {
    let desktop = Desktop::start(NOWHERE);
    let mut blind = desktop.program("tinyforge-app");
    let output = blind.env_remove("DISPLAY").output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("neither DISPLAY nor WAYLAND_DISPLAY is set"), "{said}");
    assert!(said.contains("tinyforge serve"), "the next step is named: {said}");
    assert!(!said.contains("panicked"), "{said}");

    let mut wrong = desktop.program("tinyforge-app");
    let output = wrong.env("DISPLAY", ":12345").output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("DISPLAY=:12345 does not answer"), "{said}");
}

/// Workloads that the desktop's data folder knows before anything runs on it; passes come every second.
fn give_workloads(desktop: &Desktop, names: &[&str]) {
    let folder = desktop.home().folder().to_path_buf();
    std::fs::create_dir_all(&folder).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let now = Timestamp::now();
        let store = Store::open(&folder, Bus::default(), now).unwrap();
        for name in names {
            let shape = NewShape::Project { image: "image".to_owned() };
            let new = NewWorkload { id: WorkloadId::new(*name), name: (*name).to_owned(), shape };
            store.add_workload(new, now).await.unwrap();
        }
        store.set_setting("pass_interval_s", "1", now).await.unwrap();
        store.close().await;
    });
}

/// `docker run` of a workload's container, with more arguments before the image and a command after it.
fn run_of(engine: &RealEngine, workload: &str, more: &[&str], command: &[&str]) {
    let labels = [
        "tinyforge.managed=true".to_owned(),
        format!("tinyforge.workload.id={workload}"),
        "tinyforge.workload.kind=project".to_owned(),
        "tinyforge.role=dev".to_owned(),
    ];
    let mut args = vec!["--name", workload];
    labels.iter().for_each(|label| args.extend(["--label", label]));
    engine.run(&[args.as_slice(), more, &[IMAGE], command].concat());
}

#[test]
fn what_befalls_a_workload_is_notified_on_the_desktop_as_plain_text_and_a_click_opens_it() {
    let engine = RealEngine::start();
    let mut desktop = Desktop::start(&engine.host());
    give_workloads(&desktop, &["shop", "blog"]);
    let notifications = Notifications::serve(desktop.bus());
    let page = desktop.open_page();
    page.until_trust("exact");

    run_of(&engine, "blog", &[], &["sh", "-c", "exit 3"]);
    let crash = notifications.wait_for("blog/dev crashed");
    assert!(crash.body.starts_with("Crashed: exit 3. Read the last lines of its log"), "{crash:?}");

    let says = r"printf '<img src=x onerror=alert(1)>&\033[31mred\033]0;owned\007\nmore'; exit 1";
    let check = ["--health-cmd", says, "--health-interval", "1s", "--health-retries", "1"];
    run_of(&engine, "shop", &check, &["/serve"]);
    let ill = notifications.wait_for("shop/dev is unhealthy");
    assert!(ill.body.starts_with("Unhealthy: &lt;img src=x onerror=alert(1)&gt;&amp;red. "), "{ill:?}");
    assert!(!ill.body.contains(|c: char| c.is_control() || c == '<'), "{ill:?}");

    page.until("the window is elsewhere", "return document.querySelector('h1').innerText !== 'Containers'");
    notifications.click(&crash);
    let chosen = "return document.querySelector('[data-container=blog][aria-selected=true]') !== null";
    page.until("the click opens the container", chosen);
    assert_eq!(notifications.shown().len(), 2, "nothing is told twice: {:?}", notifications.shown());
}

#[test]
fn a_click_on_a_notification_brings_the_window_back_from_the_tray_where_notifications_can_be_paused() {
    let engine = RealEngine::start();
    let desktop = Desktop::start(&engine.host());
    give_workloads(&desktop, &["shop"]);
    let notifications = Notifications::serve(desktop.bus());
    let tray = Tray::watch(desktop.bus());
    let screen = desktop.screen();
    let mut program = desktop.start_window();
    screen.click_the_cross(screen.wait_for(TITLE));
    screen.wait_for_none(TITLE);

    run_of(&engine, "shop", &[], &["sh", "-c", "exit 3"]);
    let crash = notifications.wait_for("shop/dev crashed");
    notifications.click(&crash);
    screen.wait_for(TITLE);

    tray.click("Pause notifications for an hour");
    tray.click("Resume notifications");
    tray.wait_for_entry("Pause notifications for a day");
    assert!(program.is_running());
}
