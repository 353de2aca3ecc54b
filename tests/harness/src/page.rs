//! What the window shows, read and clicked through WebDriver.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::desktop::DEADLINE;
use crate::screen::Area;

/// The name under which WebDriver hands out elements.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// The window, opened by WebDriver.
pub struct Page {
    driver: Driver,
    session: String,
}

impl Page {
    pub fn open(port: u16, program: &Path) -> Self {
        let options = json!({ "binary": program.display().to_string(), "args": [] });
        let wanted = json!({ "browserName": "wry", "webkitgtk:browserOptions": options });
        let driver = Driver { port };
        let answer = driver
            .call("POST", "/session", &json!({ "capabilities": { "alwaysMatch": wanted } }))
            .expect("the window opens under WebDriver");
        let session = answer["sessionId"].as_str().expect("a session has an id").to_owned();
        let page = Self { driver, session };
        page.until("the window has drawn itself", "return document.querySelector('h1') !== null");
        page
    }

    /// Follows a link of the navigation.
    pub fn go_to(&self, name: &str) {
        self.click(&format!("//nav//a[contains(., '{name}')]"));
        let there = format!("return document.querySelector('h1').innerText === '{name}'");
        self.until(&format!("{name} is open"), &there);
    }

    /// A real click, where the element is and can be seen.
    pub fn click(&self, xpath: &str) {
        let deadline = Instant::now() + DEADLINE;
        while let Err(reason) = self.try_click(xpath) {
            assert!(Instant::now() < deadline, "{xpath} cannot be clicked: {reason}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// A click with which the window goes away, and often the driver's answer with it: what came of it is the screen's to
    /// say.
    pub fn click_away(&self, xpath: &str) {
        let deadline = Instant::now() + DEADLINE;
        while let Err(reason) = self.try_click(xpath) {
            let lives = self.post("/execute/sync", &json!({ "script": "return true", "args": [] })).is_ok();
            if !lives {
                return;
            }
            assert!(Instant::now() < deadline, "{xpath} cannot be clicked: {reason}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn try_click(&self, xpath: &str) -> Result<(), String> {
        let found = self.post("/element", &json!({ "using": "xpath", "value": xpath }))?;
        let element = found[ELEMENT].as_str().unwrap_or_default();
        self.post(&format!("/element/{element}/click"), &json!({})).map(|_| ())
    }

    /// Types where the keyboard is; WebDriver's own letters stand for Enter and the like.
    pub fn keys(&self, keys: &str) {
        let strokes: Vec<Value> = keys
            .chars()
            .flat_map(|key| ["keyDown", "keyUp"].map(|how| json!({ "type": how, "value": key.to_string() })))
            .collect();
        let hand = json!({ "actions": [{ "type": "key", "id": "keyboard", "actions": strokes }] });
        self.post("/actions", &hand).unwrap_or_else(|reason| panic!("{keys:?} cannot be typed: {reason}"));
    }

    /// Makes the window that large.
    pub fn resize(&self, width: u32, height: u32) {
        let size = json!({ "width": width, "height": height });
        self.post("/window/rect", &size).unwrap_or_else(|reason| panic!("it cannot be resized: {reason}"));
        self.until("it has that size", &format!("return Math.abs(innerWidth - {width}) < 64"));
    }

    /// What a script of the page answers.
    pub fn ask(&self, script: &str) -> Value {
        self.post("/execute/sync", &json!({ "script": script, "args": [] }))
            .unwrap_or_else(|reason| panic!("{script}: {reason}"))
    }

    /// Waits until the script answers true.
    pub fn until(&self, what: &str, script: &str) {
        let deadline = Instant::now() + DEADLINE;
        while self.ask(script) != Value::Bool(true) {
            if Instant::now() > deadline {
                let text = self.ask("return document.body.innerText");
                panic!("within {DEADLINE:?} it did not come true that {what}; the window says: {text}");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub fn until_it_says(&self, text: &str) {
        let script = format!("return document.body.innerText.includes({})", json!(text));
        self.until(&format!("the window says {text:?}"), &script);
    }

    pub fn until_it_no_longer_says(&self, text: &str) {
        let script = format!("return !document.body.innerText.includes({})", json!(text));
        self.until(&format!("the window no longer says {text:?}"), &script);
    }

    /// Where an element is in the window, named as a style sheet would.
    pub fn area(&self, selector: &str) -> Area {
        let found = self.ask(&format!(
            "const r = document.querySelector({})?.getBoundingClientRect();
             return r ? [r.left, r.top, r.right, r.bottom].map(Math.round) : null",
            json!(selector)
        ));
        let edge = |n: usize| {
            let edge = found[n].as_i64().unwrap_or_else(|| panic!("{selector} is not in the window"));
            i16::try_from(edge).unwrap_or_else(|_| panic!("{selector} is not in sight: {found}"))
        };
        let size = |from: i16, to: i16| to.saturating_sub(from).max(0).unsigned_abs();
        let [x, y, right, bottom] = [0, 1, 2, 3].map(edge);
        Area { x, y, width: size(x, right), height: size(y, bottom) }
    }

    /// Waits until the row of that container is in that state.
    pub fn until_row(&self, name: &str, state: &str) {
        let row = format!("document.querySelector('[data-container=\"{name}\"]')");
        self.until(
            &format!("{name} is shown as {state}"),
            &format!("return {row}?.dataset.state === '{state}'"),
        );
    }

    pub fn until_no_row(&self, name: &str) {
        let row = format!("document.querySelector('[data-container=\"{name}\"]')");
        self.until(&format!("{name} is no longer shown"), &format!("return {row} === null"));
    }

    /// Waits until the header says that of the index: `exact`, `away`, …
    pub fn until_trust(&self, trust: &str) {
        let script = format!("return document.querySelector('[data-trust]')?.dataset.trust === '{trust}'");
        self.until(&format!("the index is {trust}"), &script);
    }

    fn post(&self, path: &str, body: &Value) -> Result<Value, String> {
        self.driver.call("POST", &format!("/session/{}{path}", self.session), body)
    }
}

/// WebDriver's protocol: a JSON document there, a JSON document back.
struct Driver {
    port: u16,
}

impl Driver {
    fn call(&self, method: &str, path: &str, body: &Value) -> Result<Value, String> {
        let answer = self.exchange(method, path, &body.to_string()).map_err(|error| error.to_string())?;
        let (head, json) = answer.split_once("\r\n\r\n").ok_or("an answer without an end of its head")?;
        let value: Value = serde_json::from_str(json).map_err(|error| format!("{error} in {json}"))?;
        let value = value["value"].clone();
        if head.starts_with("HTTP/1.1 200") { Ok(value) } else { Err(value["message"].to_string()) }
    }

    fn exchange(&self, method: &str, path: &str, body: &str) -> std::io::Result<String> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port))?;
        stream.set_read_timeout(Some(DEADLINE))?;
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    }
}
