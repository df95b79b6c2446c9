//! Somebody who is told what happens to people: an HTTP server on this machine that answers as a
//! test says and remembers what came.
//!
//! Written on a socket, not on the platform's own HTTP stack: what it reads is what went out.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// How the server answers one request.
#[derive(Debug, Clone)]
pub enum Reply {
    /// With this status.
    Status(u16),
    /// With a redirect.
    Redirect(String),
    /// Not at all, until the other side hangs up.
    Silence,
    /// With success and a body that never ends.
    Endless,
    /// By hanging up.
    HangUp,
}

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Message {
    /// Method and target.
    pub line: String,
    /// Names in lower case, and values.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: String,
}

impl Message {
    /// A header's value.
    pub fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str()).unwrap_or_default()
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).expect("a body in JSON")
    }

    /// Everything of it as text.
    pub fn text(&self) -> String {
        format!("{}\n{:?}\n{}", self.line, self.headers, self.body)
    }
}

/// The server.
pub struct Recipient {
    port: u16,
    replies: Arc<Mutex<VecDeque<Reply>>>,
    received: Arc<Mutex<Vec<Message>>>,
    task: JoinHandle<()>,
}

impl Recipient {
    /// Starts one that says yes to everything.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let replies = Arc::new(Mutex::new(VecDeque::new()));
        let received = Arc::new(Mutex::new(Vec::new()));
        let (next, log) = (Arc::clone(&replies), Arc::clone(&received));
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&next), Arc::clone(&log)));
            }
        });
        Self {
            port,
            replies,
            received,
            task,
        }
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/hook?key=geheim", self.port)
    }

    /// Answers the next requests so, one after the other; then with success again.
    pub fn answer_next(&self, replies: &[Reply]) {
        self.replies
            .lock()
            .expect("no panic while it is held")
            .extend(replies.iter().cloned());
    }

    /// What came so far.
    pub fn received(&self) -> Vec<Message> {
        self.received
            .lock()
            .expect("no panic while it is held")
            .clone()
    }
}

impl Drop for Recipient {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(
    mut stream: TcpStream,
    replies: Arc<Mutex<VecDeque<Reply>>>,
    log: Arc<Mutex<Vec<Message>>>,
) {
    let Some(message) = read(&mut stream).await else {
        return;
    };
    log.lock().expect("no panic while it is held").push(message);
    let reply = replies
        .lock()
        .expect("no panic while it is held")
        .pop_front()
        .unwrap_or(Reply::Status(204));
    let answer = match reply {
        Reply::HangUp => return,
        Reply::Status(status) => format!("HTTP/1.1 {status} X\r\ncontent-length: 0\r\n\r\n"),
        Reply::Redirect(to) => {
            format!("HTTP/1.1 307 X\r\nlocation: {to}\r\ncontent-length: 0\r\n\r\n")
        }
        Reply::Silence => {
            let _ = stream.read_to_end(&mut Vec::new()).await;
            return;
        }
        Reply::Endless => {
            let head = "HTTP/1.1 200 X\r\ntransfer-encoding: chunked\r\n\r\n";
            let _ = stream.write_all(head.as_bytes()).await;
            let chunk = format!("4000\r\n{}\r\n", "x".repeat(0x4000));
            // Until the other side has had enough.
            while stream.write_all(chunk.as_bytes()).await.is_ok() {}
            return;
        }
    };
    let _ = stream.write_all(answer.as_bytes()).await;
}

async fn read(stream: &mut TcpStream) -> Option<Message> {
    let mut bytes = Vec::new();
    let (head, start) = loop {
        let mut some = [0; 4096];
        let count = stream
            .read(&mut some)
            .await
            .ok()
            .filter(|count| *count > 0)?;
        bytes.extend_from_slice(&some[..count]);
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break (String::from_utf8_lossy(&bytes[..end]).into_owned(), end + 4);
        }
    };
    let mut lines = head.split("\r\n");
    let line = lines.next()?.to_owned();
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
        .collect();
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let length: usize = length
        .and_then(|(_, value)| value.parse().ok())
        .unwrap_or(0);
    while bytes.len() < start + length {
        let mut some = [0; 4096];
        let count = stream
            .read(&mut some)
            .await
            .ok()
            .filter(|count| *count > 0)?;
        bytes.extend_from_slice(&some[..count]);
    }
    let body = String::from_utf8_lossy(&bytes[start..start + length]).into_owned();
    Some(Message {
        line,
        headers,
        body,
    })
}
