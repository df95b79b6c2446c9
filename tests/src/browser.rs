//! A real browser, driven over plain WebDriver: Debian's Chromium through its chromedriver.
//!
//! Only what a visitor does: go, type, press, read. Not a WebDriver library.

use std::io::{BufRead, BufReader};
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use crate::client;

/// The key under which WebDriver names an element (W3C WebDriver, section 12.1).
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// An open browser window.
pub struct Browser {
    driver: Child,
    base: String,
    session: String,
}

impl Browser {
    /// Opens a window, with its data in `folder`; `None` where there is no browser.
    ///
    /// # Panics
    /// When there is one and it does not start.
    pub async fn open(folder: &Path) -> Option<Self> {
        let mut driver = Command::new("chromedriver")
            .arg("--port=0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        let output = BufReader::new(driver.stdout.take().expect("its output is piped"));
        let port = output.lines().map_while(Result::ok).find_map(|line| {
            let (_, port) = line.split_once("started successfully on port ")?;
            Some(port.trim_end_matches('.').to_owned())
        });
        let port = port.expect("chromedriver says its port");
        let mut browser = Self {
            driver,
            base: format!("http://127.0.0.1:{port}"),
            session: String::new(),
        };
        let arguments = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--disable-dev-shm-usage",
            &format!("--user-data-dir={}", folder.display()),
        ];
        let wanted =
            json!({"capabilities": {"alwaysMatch": {"goog:chromeOptions": {"args": arguments}}}});
        let session = browser.command("POST", "/session", Some(wanted)).await;
        session["sessionId"]
            .as_str()
            .expect("a session")
            .clone_into(&mut browser.session);
        // Following a link may return before the next page is there: look for elements longer.
        let patience = json!({"implicit": 10_000});
        browser
            .in_session("POST", "/timeouts", Some(patience))
            .await;
        Some(browser)
    }

    async fn command(&self, method: &str, path: &str, body: Option<Value>) -> Value {
        let headers = [("content-type".to_owned(), "application/json".to_owned())];
        let body = body
            .map(|body| body.to_string().into_bytes())
            .unwrap_or_default();
        let me = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let answer = client::try_send(&self.base, me, method, path, &headers, body)
            .await
            .expect("the browser's driver answers");
        let status = answer.status;
        let mut answer = answer.json();
        assert_eq!(status, 200, "{method} {path}: {}", answer["value"]["error"]);
        answer["value"].take()
    }

    async fn in_session(&self, method: &str, path: &str, body: Option<Value>) -> Value {
        self.command(method, &format!("/session/{}{path}", self.session), body)
            .await
    }

    /// Goes to an address.
    pub async fn go(&self, url: &str) {
        self.in_session("POST", "/url", Some(json!({"url": url})))
            .await;
    }

    /// The address of the page shown.
    pub async fn address(&self) -> String {
        let url = self.in_session("GET", "/url", None).await;
        url.as_str().unwrap_or_default().to_owned()
    }

    async fn find(&self, css: &str) -> String {
        let wanted = json!({"using": "css selector", "value": css});
        let element = self.in_session("POST", "/element", Some(wanted)).await;
        element[ELEMENT].as_str().expect("an element").to_owned()
    }

    /// Types into the field that this CSS selector finds.
    pub async fn enter(&self, css: &str, text: &str) {
        let path = format!("/element/{}/value", self.find(css).await);
        self.in_session("POST", &path, Some(json!({"text": text})))
            .await;
    }

    /// Presses what this CSS selector finds.
    pub async fn press(&self, css: &str) {
        let path = format!("/element/{}/click", self.find(css).await);
        self.in_session("POST", &path, Some(json!({}))).await;
    }

    /// Follows the link with this text.
    pub async fn follow(&self, text: &str) {
        let wanted = json!({"using": "partial link text", "value": text});
        let element = self.in_session("POST", "/element", Some(wanted)).await;
        let path = format!(
            "/element/{}/click",
            element[ELEMENT].as_str().expect("a link")
        );
        self.in_session("POST", &path, Some(json!({}))).await;
    }

    /// Waits until the page says `text`: pressing a button may return before its answer is here.
    ///
    /// # Panics
    /// When it does not say so after many looks.
    pub async fn sees(&self, text: &str) {
        // Each look is a round trip to the browser, some milliseconds.
        for _ in 0..5_000 {
            if self.text().await.contains(text) {
                return;
            }
        }
        panic!("the page never says {text:?}");
    }

    /// What the page says.
    pub async fn text(&self) -> String {
        let script = "return document.body ? document.body.innerText : ''";
        let body = json!({"script": script, "args": []});
        let text = self.in_session("POST", "/execute/sync", Some(body)).await;
        text.as_str().unwrap_or_default().to_owned()
    }

    /// Addresses of what the page loaded from anywhere but its own origin.
    pub async fn loaded_from_elsewhere(&self) -> Vec<String> {
        let script = "return performance.getEntriesByType('resource').map(entry => entry.name)\
                      .filter(name => new URL(name).origin !== location.origin)";
        let body = json!({"script": script, "args": []});
        let names = self.in_session("POST", "/execute/sync", Some(body)).await;
        let names = names.as_array().cloned().unwrap_or_default();
        names
            .iter()
            .filter_map(|name| name.as_str().map(str::to_owned))
            .collect()
    }

    /// Closes the window.
    pub async fn close(mut self) {
        self.in_session("DELETE", "", None).await;
        self.end();
    }

    fn end(&mut self) {
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        self.end();
    }
}
