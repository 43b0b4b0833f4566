//! Chromium without a window, spoken to through its own debugging protocol.
//!
//! The protocol (<https://chromedevtools.github.io/devtools-protocol/>) is JSON, each message ended by a
//! NUL byte, over two pipes: no port, no further program, nothing that could outlive the test. It is so
//! little that a crate for it, with its two hundred dependencies, would be the larger part of the build.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::{Value, json};

/// How long an answer may take before the browser counts as hanging.
const PATIENCE: Duration = Duration::from_secs(30);

/// Starts the browser by the first of its names that is there. Chromium expects the pipes at file descriptors 3
/// and 4, which is where a shell can put them.
const START: &str = "for name in chromium chromium-browser google-chrome; do \
    if command -v $name >/dev/null; then exec $name \"$@\" 3<&0 4>&1 0</dev/null 1>&2; fi; done";

/// A running browser with one page.
pub(crate) struct Chromium {
    process: Child,
    input: ChildStdin,
    messages: Receiver<Value>,
    session: Option<String>,
    last_id: u64,
    /// What the page did since it was loaded: console messages, violations, requests.
    events: Vec<Value>,
    /// The user's folder: empty, so that nothing of the user's is read or changed.
    _profile: tempfile::TempDir,
}

impl Chromium {
    /// Starts the browser.
    ///
    /// # Panics
    /// When there is no Chromium, or it does not answer.
    pub(crate) fn start() -> Self {
        let profile = tempfile::tempdir().expect("a temporary folder");
        let mut process = Command::new("sh")
            .args(["-c", START, "sh"])
            .args([
                "--headless",
                // There is no sandbox for root; the only page that is opened is our own.
                "--no-sandbox",
                "--disable-gpu",
                "--disable-quic",
                "--no-first-run",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
                "--hide-scrollbars",
                "--remote-debugging-pipe",
            ])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("a shell");
        let input = process.stdin.take().expect("the pipe to it");
        let output = process.stdout.take().expect("the pipe from it");
        let (sender, messages) = channel();
        std::thread::spawn(move || {
            for message in BufReader::new(output).split(0) {
                let Ok(message) = message else { break };
                let Ok(message) = serde_json::from_slice(&message) else {
                    break;
                };
                if sender.send(message).is_err() {
                    break;
                }
            }
        });
        let mut browser = Self {
            process,
            input,
            messages,
            session: None,
            last_id: 0,
            events: Vec::new(),
            _profile: profile,
        };
        let target = browser.call("Target.createTarget", json!({"url": "about:blank"}));
        let session = browser.call(
            "Target.attachToTarget",
            json!({"targetId": target["targetId"], "flatten": true}),
        );
        browser.session = session["sessionId"].as_str().map(str::to_owned);
        for domain in ["Page", "Runtime", "Log", "Audits", "Network"] {
            browser.call(&format!("{domain}.enable"), json!({}));
        }
        browser
    }

    /// Calls a method of the protocol and waits for its answer.
    pub(crate) fn call(&mut self, method: &str, parameters: Value) -> Value {
        self.last_id += 1;
        let id = self.last_id;
        let mut request = json!({"id": id, "method": method, "params": parameters});
        if let Some(session) = &self.session {
            request["sessionId"] = json!(session);
        }
        let sent = self.input.write_all(format!("{request}\0").as_bytes());
        sent.and_then(|()| self.input.flush())
            .unwrap_or_else(|error| Self::missing(&error.to_string()));
        loop {
            let message = self.next();
            if message["id"] == id {
                let error = &message["error"];
                assert!(error.is_null(), "{method}: {error}");
                return message["result"].clone();
            }
            self.events.push(message);
        }
    }

    /// Waits until the page did this, and leaves it among the events.
    fn wait_for(&mut self, event: &str) {
        while !self.events.iter().any(|one| one["method"] == event) {
            let message = self.next();
            self.events.push(message);
        }
    }

    fn next(&mut self) -> Value {
        match self.messages.recv_timeout(PATIENCE) {
            Ok(message) => message,
            Err(error) => Self::missing(&error.to_string()),
        }
    }

    fn missing(error: &str) -> ! {
        panic!("chromium is not here or does not answer ({error}): run scripts/setup --test")
    }

    /// Opens a file in a window of this width and 900 CSS pixels of height.
    pub(crate) fn open(&mut self, page: &Path, width: u32, dark: bool) {
        self.call(
            "Emulation.setDeviceMetricsOverride",
            json!({"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": false}),
        );
        let scheme = if dark { "dark" } else { "light" };
        self.call(
            "Emulation.setEmulatedMedia",
            json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]}),
        );
        self.events.clear();
        let page = page.canonicalize().expect("the page is there");
        // The old document goes first, or a fragment's or equal address would not be loaded again.
        self.call("Page.navigate", json!({"url": "about:blank"}));
        self.wait_for("Page.loadEventFired");
        self.events.clear();
        let url = format!("file://{}", page.display());
        self.call("Page.navigate", json!({ "url": url }));
        self.wait_for("Page.loadEventFired");
    }

    /// What a script gives, as JSON.
    pub(crate) fn evaluate(&mut self, script: &str) -> Value {
        let parameters = json!({"expression": script, "returnByValue": true, "awaitPromise": true});
        let answer = self.call("Runtime.evaluate", parameters);
        assert!(
            answer["exceptionDetails"].is_null(),
            "{script}: {}",
            answer["exceptionDetails"]
        );
        answer["result"]["value"].clone()
    }

    #[allow(dead_code, reason = "only the test presses keys")]
    /// Presses a key that types nothing, by its names in the standard of UI events, and its number in Windows.
    pub(crate) fn press(&mut self, key: &str, number: u32) {
        for kind in ["rawKeyDown", "keyUp"] {
            self.call(
                "Input.dispatchKeyEvent",
                json!({"type": kind, "key": key, "code": key, "windowsVirtualKeyCode": number}),
            );
        }
    }

    #[allow(dead_code, reason = "only the test presses keys")]
    /// Presses the Enter key.
    pub(crate) fn press_enter(&mut self) {
        for kind in ["keyDown", "keyUp"] {
            self.call(
                "Input.dispatchKeyEvent",
                json!({"type": kind, "key": "Enter", "code": "Enter", "text": "\r",
                       "windowsVirtualKeyCode": 13}),
            );
        }
    }

    /// What no page of ours may cause: console messages, errors, violations, and requests for anything
    /// but the page itself.
    pub(crate) fn complaints(&mut self) -> Vec<String> {
        // An answer to this comes after everything that the page has caused by now.
        self.evaluate("new Promise(done => setTimeout(done, 50))");
        let complaint = |event: &Value| {
            let parameters = &event["params"];
            match event["method"].as_str()? {
                "Log.entryAdded" => Some(parameters["entry"]["text"].to_string()),
                "Runtime.consoleAPICalled" => Some(parameters["args"].to_string()),
                "Runtime.exceptionThrown" => Some(parameters["exceptionDetails"].to_string()),
                "Audits.issueAdded" => Some(parameters["issue"].to_string()),
                "Network.requestWillBeSent" if parameters["type"] != "Document" => {
                    Some(format!("requested {}", parameters["request"]["url"]))
                }
                _ => None,
            }
        };
        self.events.iter().filter_map(complaint).collect()
    }

    /// A picture of the page's whole width from here on, so high and scaled like this, as a PNG.
    #[allow(
        dead_code,
        reason = "only the program that makes the documentation's pictures looks"
    )]
    pub(crate) fn picture(&mut self, (top, height): (f64, f64), width: u32, scale: f64) -> Vec<u8> {
        let clip = json!({"x": 0, "y": top, "width": width, "height": height, "scale": scale});
        let answer = self.call(
            "Page.captureScreenshot",
            json!({"format": "png", "captureBeyondViewport": true, "clip": clip}),
        );
        decode_base64(answer["data"].as_str().unwrap_or_default())
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        // Asked nicely it tidies up; with its pipe gone it ends in any case.
        let close = json!({"id": 0, "method": "Browser.close"});
        let _ = self.input.write_all(format!("{close}\0").as_bytes());
        for _ in 0..100 {
            if matches!(self.process.try_wait(), Ok(Some(_))) {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The bytes of a text in Base64 (RFC 4648); other characters are skipped.
fn decode_base64(text: &str) -> Vec<u8> {
    let (mut bytes, mut bits, mut held) = (Vec::new(), 0_u32, 0);
    for character in text.bytes() {
        let value = match character {
            b'A'..=b'Z' => character - b'A',
            b'a'..=b'z' => character - b'a' + 26,
            b'0'..=b'9' => character - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => continue,
        };
        bits = bits << 6 | u32::from(value);
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held) as u8);
            bits &= (1 << held) - 1;
        }
    }
    bytes
}
