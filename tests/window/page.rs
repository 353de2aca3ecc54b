//! What the window shows, read and clicked through WebDriver.

use std::path::Path;
use std::time::{Duration, Instant};

use fantoccini::elements::Element;
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};

use crate::desktop::DEADLINE;

pub struct Page {
    client: Client,
}

impl Page {
    pub async fn open(port: u16, program: &Path) -> Self {
        let capabilities = json!({
            "browserName": "wry",
            "webkitgtk:browserOptions": { "binary": program.display().to_string(), "args": [] },
        });
        let Value::Object(capabilities) = capabilities else { unreachable!("an object was written") };
        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities)
            .connect(&format!("http://127.0.0.1:{port}"))
            .await
            .expect("the window opens under WebDriver");
        let page = Self { client };
        page.until("the window has drawn itself", "return document.querySelector('h1') !== null").await;
        page
    }

    /// Follows a link of the navigation.
    pub async fn go_to(&self, name: &str) {
        self.click(&format!("//nav//a[contains(., '{name}')]")).await;
        self.until(&format!("{name} is open"), &format!("return document.querySelector('h1').innerText === '{name}'"))
            .await;
    }

    pub async fn click(&self, xpath: &str) {
        let found = self.client.wait().at_most(DEADLINE).for_element(Locator::XPath(xpath)).await;
        let element: Element = found.unwrap_or_else(|error| panic!("{xpath} is not there: {error}"));
        element.click().await.unwrap_or_else(|error| panic!("{xpath} cannot be clicked: {error}"));
    }

    pub async fn ask(&self, script: &str) -> Value {
        self.client.execute(script, vec![]).await.unwrap_or_else(|error| panic!("{script}: {error}"))
    }

    /// Waits until the script returns true.
    pub async fn until(&self, what: &str, script: &str) {
        let deadline = Instant::now() + DEADLINE;
        while self.ask(script).await != Value::Bool(true) {
            if Instant::now() > deadline {
                let text = self.ask("return document.body.innerText").await;
                panic!("within {DEADLINE:?} it did not come true that {what}; the window says: {text}");
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub async fn until_it_says(&self, text: &str) {
        let script = format!("return document.body.innerText.includes({})", json!(text));
        self.until(&format!("the window says {text:?}"), &script).await;
    }

    pub async fn until_it_no_longer_says(&self, text: &str) {
        let script = format!("return !document.body.innerText.includes({})", json!(text));
        self.until(&format!("the window no longer says {text:?}"), &script).await;
    }

    /// Waits until the row of that container is in that state.
    pub async fn until_row(&self, name: &str, state: &str) {
        let script =
            format!("return document.querySelector('[data-container=\"{name}\"]')?.dataset.state === '{state}'");
        self.until(&format!("{name} is shown as {state}"), &script).await;
    }

    pub async fn until_no_row(&self, name: &str) {
        let script = format!("return document.querySelector('[data-container=\"{name}\"]') === null");
        self.until(&format!("{name} is no longer shown"), &script).await;
    }

    /// What the header says of the index: `exact`, `away`, …
    pub async fn until_trust(&self, trust: &str) {
        let script = format!("return document.querySelector('[data-trust]')?.dataset.trust === '{trust}'");
        self.until(&format!("the index is {trust}"), &script).await;
    }
}
