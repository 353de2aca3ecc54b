//! Each page's main act in the real window, and what its form owes to everybody.

use std::path::Path;

use harness::desktop::Desktop;
use harness::engine::{IMAGE, RealEngine};
use harness::page::Page;
use serde_json::{Value, json};

use crate::NOWHERE;

/// What looks for what assistive technology would stumble over; the window's own packages bring it.
const AXE: &str = "../ui/node_modules/axe-core/axe.min.js";

/// As wide as it is opened, and as narrow as it must still work.
const SIZES: [(u32, u32); 2] = [(1180, 760), (900, 600)];

const PAGES: [&str; 5] = ["Home", "Containers", "Stale", "Health", "Settings"];

/// What a pane shows of a container, by the tab's name.
const TABS: [&str; 3] = ["Overview", "Timeline", "Inspect"];

const PANE: &str = "//*[@role='dialog']";

#[test]
fn many_are_stopped_at_once_after_a_look_at_what_will_be_done() {
    let engine = RealEngine::start();
    for name in ["one", "two", "three"] {
        engine.run(&["--name", name, IMAGE]);
    }
    let mut desktop = Desktop::start(&engine.host());
    let page = desktop.open_page();
    page.go_to("Containers");
    for name in ["one", "two", "three"] {
        page.until_row(name, "running");
    }
    page.ask("document.querySelector('[role=grid]').focus(); return true");
    page.keys("jj ");
    page.keys("k ");
    page.until_it_says("2 selected");
    page.click("//*[@aria-label='What is selected']//button[contains(., 'Stop')]");
    page.until_it_says("2 of them are foreign");
    page.click(&format!("{PANE}//button[contains(., 'Stop 2 containers')]"));
    let stopped = "return document.querySelectorAll('[data-container][data-state=stopped]').length === 2";
    page.until("two are stopped, and no other", stopped);
    page.click("//button[contains(., 'Start again')]");
    for name in ["one", "two", "three"] {
        page.until_row(name, "running");
    }
}

#[test]
fn a_pane_tells_the_past_and_what_the_engine_itself_says() {
    let engine = RealEngine::start();
    engine.run(&["--name", "worker", "-e", "TOKEN=s3cret", IMAGE]);
    let mut desktop = Desktop::start(&engine.host());
    let page = desktop.open_page();
    page.go_to("Containers");
    page.until_row("worker", "running");
    page.click("//*[@data-container='worker']");
    page.click(&format!("{PANE}//*[@role='tab'][contains(., 'Timeline')]"));
    page.until_it_says("Appeared");
    engine.docker(&["stop", "worker"]).ok();
    page.until_it_says("State: running → stopped");
    page.until_it_says("by somebody on this machine");

    page.click(&format!("{PANE}//*[@role='tab'][contains(., 'Inspect')]"));
    page.click(&format!("{PANE}//button[contains(., 'Env')]"));
    page.until_it_says("TOKEN=…");
    page.until_it_no_longer_says("s3cret");
    page.click(&format!("{PANE}//*[@role='switch']"));
    page.until_it_says("TOKEN=s3cret");
}

#[test]
fn the_palette_finds_a_container_from_any_page_also_one_that_is_gone() {
    let engine = RealEngine::start();
    engine.run(&["--name", "fleeting", IMAGE]);
    let mut desktop = Desktop::start(&engine.host());
    let page = desktop.open_page();
    page.go_to("Containers");
    page.until_row("fleeting", "running");
    engine.docker(&["rm", "-f", "fleeting"]).ok();
    page.until_no_row("fleeting");
    page.go_to("Health");
    page.click("//nav//button");
    page.until("the palette is open", "return document.querySelector('[role=combobox]') !== null");
    page.keys("fleet");
    page.until_it_says("Removed");
    page.keys("\u{e007}");
    page.until_it_says("Left the engine");
    assert_eq!(page.ask("return document.querySelector('h1').innerText"), json!("Health"));
}

#[test]
fn the_first_start_shows_the_demo_and_leads_back() {
    let mut desktop = Desktop::start(NOWHERE);
    let page = desktop.open_page();
    page.until_it_says("Get an engine");
    page.click("//button[contains(., 'Try the demo')]");
    page.until_trust("exact");
    page.go_to("Containers");
    page.until_row("shop-web-1", "running");
    page.click("//button[contains(., 'Leave the demo')]");
    page.until_trust("absent");
    page.until_it_no_longer_says("Demo");
    page.until_no_row("shop-web-1");
}

#[test]
fn a_setting_is_changed_and_taken_back() {
    let mut desktop = Desktop::start(NOWHERE);
    let page = desktop.open_page();
    page.go_to("Settings");
    page.click("//*[@role='switch'][@aria-label='Close to the tray']");
    page.until_it_says("Close to the tray is now off");
    page.click("//button[contains(., 'Undo')]");
    page.until_it_says("Close to the tray is now on");
}

/// On every page, in both themes and at both sizes, with contrast computed from what is painted.
#[test]
fn axe_finds_nothing_on_any_page() {
    let mut desktop = Desktop::start(NOWHERE);
    desktop.set("TINYFORGE_DEMO", "1");
    let page = desktop.open_page();
    page.until_trust("exact");
    bring_axe(&page);
    for (width, height) in SIZES {
        page.resize(width, height);
        for theme in ["light", "dark"] {
            page.ask(&format!("document.documentElement.dataset.theme = '{theme}'; return true"));
            for name in PAGES {
                page.go_to(name);
                look(&desktop, &page, &format!("{name} {theme} {width}").to_lowercase());
            }
            page.go_to("Containers");
            page.click("(//*[@data-container])[1]");
            for tab in TABS {
                page.click(&format!("{PANE}//*[@role='tab'][contains(., '{tab}')]"));
                look(&desktop, &page, &format!("{tab} {theme} {width}").to_lowercase());
            }
            page.click("//*[@aria-label='Close the pane']");
            page.click("//nav//button");
            look(&desktop, &page, &format!("palette {theme} {width}"));
            page.keys("\u{e00c}");
        }
    }
}

#[test]
fn axe_finds_nothing_where_there_is_no_engine() {
    let mut desktop = Desktop::start(NOWHERE);
    let page = desktop.open_page();
    page.until_it_says("Get an engine");
    bring_axe(&page);
    for theme in ["light", "dark"] {
        page.ask(&format!("document.documentElement.dataset.theme = '{theme}'; return true"));
        for name in ["Home", "Containers"] {
            page.go_to(name);
            look(&desktop, &page, &format!("absent {name} {theme}").to_lowercase());
        }
    }
}

fn bring_axe(page: &Page) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(AXE);
    let axe = std::fs::read_to_string(file).expect("`npm ci` in ui/ brings axe-core");
    page.ask(&format!("{axe}; return typeof window.axe"));
}

/// Waits until nothing moves any more, takes a picture where somebody wants one, and asks axe.
fn look(desktop: &Desktop, page: &Page, what: &str) {
    let still = "return document.getAnimations().every((one) => one.playState !== 'running')
        && document.querySelector('.skeleton') === null";
    page.until(&format!("{what} stands still"), still);
    desktop.picture(what);
    page.ask(
        "window.found = null;
         const short = ({ id, nodes }) => nodes.map((node) => `${id}: ${node.html.slice(0, 200)} ${node.failureSummary}`);
         window.axe.run(document, { resultTypes: ['violations'] }).then(
            ({ violations }) => { window.found = violations.flatMap(short); },
            (cause) => { window.found = [`axe failed: ${cause}`]; },
         );
         return true",
    );
    page.until(&format!("axe has looked at {what}"), "return window.found !== null");
    assert_eq!(page.ask("return window.found"), Value::Array(vec![]), "{what}");
}
