use serde_json::{Value as Json, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::trial::Folder;

/// Functions that answer with what they were told, and fail or dawdle on request.
fn echo() -> Functions {
    Arc::new(|wiring| {
        let invoke: crate::lambda::Invoke = Arc::new(move |name, event: Json| {
            let table = wiring.environments[name].get("TABLE").cloned();
            let (name, now) = (name.to_owned(), wiring.clock.now());
            Box::pin(async move {
                assert!(event["rawPath"] != "/confirm/panic", "as asked");
                if event["rawPath"] == "/confirm/fail" {
                    return Err("failed".to_owned());
                }
                let told = json!({"function": name, "now": now, "table": table, "event": event});
                Ok(
                    json!({"statusCode": 200, "headers": {"content-type": "application/json"}, "body": told.to_string()}),
                )
            })
        });
        Ok(invoke.into())
    })
}

fn options(folder: &Folder) -> Options {
    Options {
        demo: false,
        ..Options::new(folder.path().join("data"), echo())
    }
}

/// One plain HTTP/1.1 request: status and body.
async fn send(base: &str, head: &str, body: &[u8]) -> (u16, String) {
    let address = base
        .trim_start_matches("http://")
        .split('/')
        .next()
        .unwrap();
    let mut stream = TcpStream::connect(address).await.unwrap();
    let length = body.len();
    let (line, headers) = head.split_once('\n').unwrap_or((head, ""));
    let mut fields = String::new();
    for header in headers.lines() {
        fields.extend([
            header, "
",
        ]);
    }
    let request = format!(
        "{line} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Length: {length}\r\n{fields}\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    stream.write_all(body).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    let answer = String::from_utf8(answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (
        head.split(' ').nth(1).unwrap().parse().unwrap(),
        body.to_owned(),
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_reach_the_functions_and_refusals_are_api_gateways() {
    let folder = Folder::new("platform");
    let platform = Platform::start(options(&folder)).await.unwrap();
    let api = platform.endpoints().api.clone();
    let (status, body) = send(&api, "POST /signup/demo/double", b"a=1").await;
    let told: Json = serde_json::from_str(&body).unwrap();
    assert_eq!((status, &told["function"]), (200, &json!("signup")));
    assert_eq!(told["table"], json!(platform.endpoints().table));
    assert_eq!(
        told["event"]["requestContext"]["http"]["sourceIp"],
        json!("127.0.0.1")
    );
    assert_eq!(told["event"]["isBase64Encoded"], json!(true));
    let large = vec![b'a'; 11 * 1024 * 1024];
    for (head, body, status, message) in [
        ("BREW /signup/demo/double", &b""[..], 404, "Not Found"),
        (
            "POST /signup/demo/double",
            &large,
            413,
            "Request Entity Too Large",
        ),
        ("GET /confirm/fail", b"", 500, "Internal Server Error"),
        ("GET /confirm/panic", b"", 500, "Internal Server Error"),
    ] {
        let expected = json!({ "message": message }).to_string();
        assert_eq!(send(&api, head, body).await, (status, expected), "{head}");
    }
    for head in ["GET /nowhere", "POST /confirm/"] {
        let (_, told) = send(&api, head, b"").await;
        let told: Json = serde_json::from_str(&told).unwrap();
        assert_eq!(told["event"]["routeKey"], json!("$default"), "{head}");
    }
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scripts_ask_and_drive_the_platform_and_foreign_pages_do_not() {
    let folder = Folder::new("platform");
    let platform = Platform::start(options(&folder)).await.unwrap();
    let api = platform.endpoints().api.clone();
    assert_eq!(send(&api, "GET /_local/health", b"").await.0, 200);
    let (_, endpoints) = send(&api, "GET /_local/endpoints", b"").await;
    let endpoints: Json = serde_json::from_str(&endpoints).unwrap();
    for name in [
        "api",
        "shop",
        "platform_key",
        "region",
        "access_key_id",
        "secret_access_key",
        "dynamodb",
        "s3",
        "ses",
        "sqs",
        "table",
        "tombstone_table",
        "bucket",
    ] {
        assert!(
            endpoints[name]
                .as_str()
                .is_some_and(|value| !value.is_empty()),
            "{name}"
        );
    }
    let (status, moved) = send(
        &api,
        "POST /_local/clock",
        br#"{"set":"2099-01-31T12:00:00Z"}"#,
    )
    .await;
    assert_eq!(
        (status, moved.as_str()),
        (200, r#"{"now":"2099-01-31T12:00:00Z"}"#)
    );
    for (head, body, status) in [
        (
            "POST /_local/clock",
            &br#"{"set":"2001-01-01T00:00:00Z"}"#[..],
            400,
        ),
        ("POST /_local/clock", b"nonsense", 400),
        (
            "POST /_local/clock\nOrigin: http://127.0.0.1:8081",
            br#"{"advance":"P8D"}"#,
            403,
        ),
        (
            "POST /_local/clock\nSec-Fetch-Site: cross-site",
            br#"{"advance":"P8D"}"#,
            403,
        ),
        (
            "DELETE /_local/inbox.json\nOrigin: https://evil.example",
            b"",
            403,
        ),
        ("POST /_local/run/retention", b"", 200),
        ("POST /_local/run/signup", b"", 404),
        ("POST /_local/drain", b"", 200),
        ("GET /_local/", b"", 200),
        ("GET /_local/inbox/count", b"", 200),
    ] {
        assert_eq!(send(&api, head, body).await.0, status, "{head}");
    }
    assert!(
        platform.clock().now() < "2099-02-01T00:00:00Z".parse().unwrap(),
        "no foreign page moved it"
    );
    let shop = platform.endpoints().shop.clone();
    let (status, page) = send(&shop, "GET /newsletter?lang=en", b"").await;
    assert!(status == 200 && page.contains(&format!("{api}/signup/demo/double")));
    platform.stop().await;
    // What was moved stays moved, in the folder that is free again.
    let again = Platform::start(options(&folder)).await.unwrap();
    assert!(again.clock().now() >= "2099-01-31T12:00:00Z".parse().unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_keeps_it_from_starting_is_said_in_a_sentence() {
    let folder = Folder::new("platform");
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = taken.local_addr().unwrap().port();
    let file = folder.path().join("file");
    std::fs::write(&file, "no folder").unwrap();
    let damaged = folder.path().join("damaged");
    std::fs::create_dir(&damaged).unwrap();
    std::fs::write(damaged.join("state.db"), "no database at all ".repeat(300)).unwrap();
    for (options, expected) in [
        (
            Options {
                port,
                ..options(&folder)
            },
            format!(
                "port {port} on 127.0.0.1 cannot be used: another program uses it; choose another with --port"
            ),
        ),
        (
            Options {
                shop_port: port,
                ..options(&folder)
            },
            "choose another with --shop-port".to_owned(),
        ),
        (
            Options {
                data: file,
                ..options(&folder)
            },
            "cannot be used: ".to_owned(),
        ),
        (
            Options {
                data: damaged,
                ..options(&folder)
            },
            "state.db is damaged".to_owned(),
        ),
        (
            Options {
                template: "Resources: {}\nMacros: {}\n".to_owned(),
                ..options(&folder)
            },
            "line 2: `Macros`".to_owned(),
        ),
    ] {
        let refused = Platform::start(options)
            .await
            .err()
            .map(|error| error.to_string())
            .unwrap_or_default();
        assert!(refused.contains(&expected), "{refused}");
    }
    let _running = Platform::start(options(&folder)).await.unwrap();
    let second = Platform::start(options(&folder))
        .await
        .err()
        .map(|error| error.to_string());
    assert!(
        second
            .unwrap_or_default()
            .contains("another platform is running in it")
    );
}
