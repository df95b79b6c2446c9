//! An HTTP client that comes from an address of its own: all of 127.0.0.0/8 is this machine.
//!
//! One connection per request; follows nothing, keeps nothing.

use std::net::{IpAddr, SocketAddr};

use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use crate::answer::Answer;

/// `127.0.0.1:PORT` of a base URL.
fn authority(base: &str) -> SocketAddr {
    base.trim_start_matches("http://")
        .trim_end_matches('/')
        .parse()
        .expect("a base URL is an IP address and a port")
}

async fn connect(base: &str, from: IpAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket
        .bind(SocketAddr::new(from, 0))
        .expect("an address of this machine");
    socket
        .connect(authority(base))
        .await
        .expect("the platform takes connections")
}

/// Sends one request.
///
/// # Errors
/// When the connection ends before the answer does: the platform was killed.
pub async fn try_send(
    base: &str,
    from: IpAddr,
    method: &str,
    path: &str,
    headers: &[(String, String)],
    body: Vec<u8>,
) -> Result<Answer, hyper::Error> {
    let stream = connect(base, from).await;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let connection = tokio::spawn(connection);
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header("host", authority(base).to_string());
    for (name, value) in headers {
        request = request.header(name, value);
    }
    let request = request
        .body(Full::new(Bytes::from(body)))
        .expect("a well-formed request; for others there is `raw`");
    let response = sender.send_request(request).await?;
    let (parts, body) = response.into_parts();
    let body = body.collect().await?.to_bytes().to_vec();
    drop(sender);
    connection.abort();
    let headers = parts
        .headers
        .iter()
        .filter(|(name, _)| *name != "date")
        .map(|(name, value)| {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            (name.as_str().to_owned(), value)
        })
        .collect();
    Ok(Answer {
        status: parts.status.as_u16(),
        headers,
        body,
    })
}

/// Sends these very bytes and reads what comes until the other side closes.
pub async fn raw(base: &str, from: IpAddr, bytes: &[u8]) -> Answer {
    let mut stream = connect(base, from).await;
    // The other side may close before it has read everything.
    let _ = stream.write_all(bytes).await;
    let _ = stream.shutdown().await;
    let mut read = Vec::new();
    let _ = stream.read_to_end(&mut read).await;
    let end = read
        .windows(4)
        .position(|window| window == b"\r\n\r\n")
        .unwrap_or(read.len());
    let head = String::from_utf8_lossy(&read[..end]).into_owned();
    let mut lines = head.split("\r\n");
    let status = lines
        .next()
        .and_then(|line| line.split(' ').nth(1)?.parse().ok());
    Answer {
        status: status.unwrap_or(0),
        headers: lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .filter(|(name, _)| name != "date")
            .collect(),
        body: read.get(end + 4..).unwrap_or_default().to_vec(),
    }
}
