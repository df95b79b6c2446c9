//! The inbox's routes, for scripts and for people, over HTTP. Not how the mails came in.

use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

use crate::ses::SesOptions;
use crate::ses::tests::{World, send, simple, world};
use crate::trial;

struct Inbox(String);

impl Inbox {
    async fn open(world: &World) -> Self {
        let (listener, origin) = trial::listener().await;
        let router = axum::Router::new().nest("/_local", world.ses.local_routes());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self(origin)
    }

    async fn ask(&self, method: &str, path: &str, body: &str) -> (u16, http::HeaderMap, String) {
        let request = http::Request::builder()
            .method(method)
            .uri(format!("{}/_local/{path}", self.0))
            .header("content-type", "application/json")
            .body(Full::new(Bytes::from(body.to_owned())))
            .unwrap();
        let answer = Client::builder(TokioExecutor::new())
            .build_http()
            .request(request)
            .await
            .unwrap();
        let (parts, body) = answer.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        (
            parts.status.as_u16(),
            parts.headers,
            String::from_utf8(body.to_vec()).unwrap(),
        )
    }

    async fn items(&self, query: &str) -> Vec<Value> {
        let (status, _, body) = self.ask("GET", &format!("inbox.json{query}"), "").await;
        assert_eq!(status, 200);
        serde_json::from_str::<Value>(&body).unwrap()["items"]
            .as_array()
            .unwrap()
            .clone()
    }
}

#[tokio::test]
async fn the_inbox_is_asked_by_address_and_by_id_and_emptied() {
    let world = world(SesOptions::default()).await;
    let inbox = Inbox::open(&world).await;
    assert!(inbox.items("").await.is_empty());
    for address in ["Max@x.example", "anna@x.example", "Max <max@X.example>"] {
        send(&world, address, simple("Grüße", "Text", "<p>Hü</p>"))
            .await
            .unwrap();
    }
    let all = inbox.items("").await;
    let ids: Vec<_> = all
        .iter()
        .map(|item| item["id"].as_str().unwrap())
        .collect();
    assert!(
        ids.is_sorted() && ids.len() == 3,
        "oldest first, rising also as strings"
    );
    let maxes = inbox.items("?to=MAX%40x.example").await;
    assert_eq!(
        maxes.iter().map(|item| &item["to"]).collect::<Vec<_>>(),
        ["Max@x.example", "max@X.example"]
    );
    assert_eq!(inbox.items(&format!("?since={}", ids[0])).await, all[1..]);
    assert!(inbox.items(&format!("?since={}", ids[2])).await.is_empty());
    assert_eq!(inbox.ask("GET", "inbox.json?since=x", "").await.0, 400);

    let first = &all[0];
    assert_eq!(
        (&first["subject"], &first["text"], &first["html"]),
        (&"Grüße".into(), &"Text".into(), &"<p>Hü</p>".into())
    );
    assert_eq!(
        (&first["from"], &first["tags"]["campaign"]),
        (&"Muster-Shop <news@muster.example>".into(), &"c1".into())
    );
    let raw = first["raw"].as_str().unwrap();
    assert!(raw.is_ascii() && raw.contains("\r\n\r\n"));
    let headers = first["headers"].as_array().unwrap();
    assert_eq!(
        headers
            .iter()
            .filter(|header| header[0] == "List-Unsubscribe")
            .count(),
        1
    );
    assert!(
        first["received_at"]
            .as_str()
            .unwrap()
            .parse::<jiff::Timestamp>()
            .is_ok()
    );

    assert_eq!(
        inbox.ask("GET", "inbox/count", "").await.2,
        r#"{"count":3}"#
    );
    inbox.ask("DELETE", "inbox.json", "").await;
    assert_eq!(
        inbox.ask("GET", "inbox/count", "").await.2,
        r#"{"count":0}"#
    );
    send(&world, "anna@x.example", simple("S", "t", "h"))
        .await
        .unwrap();
    assert!(
        inbox.items("").await[0]["id"].as_str().unwrap() > ids[2],
        "ids are never used again"
    );
}

#[tokio::test]
async fn more_mails_than_one_piece_come_in_one_answer_and_as_pages() {
    let world = world(SesOptions::default()).await;
    let inbox = Inbox::open(&world).await;
    for number in 0..200 {
        send(
            &world,
            &format!("p{number}@x.example"),
            simple("S", "t", "h"),
        )
        .await
        .unwrap();
    }
    assert_eq!(inbox.items("").await.len(), 200);
    let (_, headers, first) = inbox.ask("GET", "inbox?to=X.example", "").await;
    assert!(
        headers["content-security-policy"]
            .to_str()
            .unwrap()
            .starts_with("default-src 'none'")
    );
    assert_eq!(first.matches("<tr><td>").count(), 50);
    let older = first
        .split("href=\"/_local/")
        .last()
        .unwrap()
        .split('"')
        .next()
        .unwrap()
        .replace("&amp;", "&");
    let (_, _, second) = inbox.ask("GET", &older, "").await;
    assert!(second.contains("p149@x.example") && !second.contains("p150@x.example"));
}

#[tokio::test]
async fn a_mails_page_is_escaped_and_its_html_sandboxed() {
    let world = world(SesOptions::default()).await;
    let inbox = Inbox::open(&world).await;
    let html = "<!doctype html><html><head><title>x</title></head><body><a href=\"https://x.example/c?a=1&amp;b=2\">go</a></body></html>";
    send(
        &world,
        "a@x.example",
        simple("<script>alert(1)</script>", "text", html),
    )
    .await
    .unwrap();
    let (_, _, page) = inbox.ask("GET", "inbox/000000000001", "").await;
    assert!(!page.contains("<script") && page.contains("&lt;script&gt;"));
    assert!(
        page.contains("sandbox=\"allow-popups")
            && page.contains("href=\"https://x.example/c?a=1&amp;b=2\"")
    );
    let (_, headers, shown) = inbox.ask("GET", "inbox/000000000001/html", "").await;
    let policy = headers["content-security-policy"].to_str().unwrap();
    assert!(
        policy.contains("default-src 'none'")
            && policy.contains("sandbox")
            && !policy.contains("allow-scripts")
    );
    assert!(
        shown.starts_with("<!doctype html><html><head><base target=\"_top\">"),
        "{shown}"
    );
    assert!(
        inbox
            .ask("GET", "inbox/000000000001/raw", "")
            .await
            .2
            .contains("\r\nSubject: ")
    );
    for missing in ["inbox/000000000009", "inbox/x", "inbox/-1"] {
        assert_eq!(inbox.ask("GET", missing, "").await.0, 404, "{missing}");
    }
}

#[tokio::test]
async fn an_asked_for_event_goes_through_the_rule() {
    let world = world(SesOptions::default()).await;
    let inbox = Inbox::open(&world).await;
    send(&world, "a@x.example", simple("S", "t", "h"))
        .await
        .unwrap();
    world.told();
    let table = [
        (r#"{"type":"bounce"}"#, "Bounce", "General"),
        (
            r#"{"type":"bounce","bounceType":"Transient","bounceSubType":"MailboxFull"}"#,
            "Bounce",
            "MailboxFull",
        ),
        (r#"{"type":"complaint"}"#, "Complaint", ""),
        (r#"{"type":"delivery"}"#, "Delivery", ""),
        (r#"{"type":"open"}"#, "Open", ""),
        (
            r#"{"type":"click","link":"https://x.example/"}"#,
            "Click",
            "",
        ),
    ];
    for (asked, kind, subtype) in table {
        assert_eq!(
            inbox.ask("POST", "mail/000000000001/event", asked).await.0,
            202
        );
        let told = world.told();
        assert_eq!(
            (&told[0]["type"], &told[0]["sub"]),
            (&kind.into(), &subtype.into())
        );
        assert_eq!(told[0]["tags"]["campaign"][0], "c1");
        assert!(
            !told[0].to_string().contains("a@x.example"),
            "the rule lets no address through"
        );
    }
    assert_eq!(
        inbox
            .ask("POST", "mail/000000000001/event", r#"{"type":"x"}"#)
            .await
            .0,
        422
    );
    assert_eq!(
        inbox
            .ask("POST", "mail/000000000009/event", r#"{"type":"open"}"#)
            .await
            .0,
        404
    );
}
