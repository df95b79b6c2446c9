use std::collections::BTreeMap;

use serde_json::json;

use super::*;
use crate::template::{Function, Route};

fn stack() -> Stack {
    let mut stack = Stack::default();
    for (name, routes) in [
        (
            "signup",
            &[
                ("GET", "/signup/{account}/{setup}"),
                ("POST", "/signup/{account}/{setup}"),
            ][..],
        ),
        ("hello", &[("GET", "/signup/{account}/hello")][..]),
        ("admin", &[("ANY", "/api/v1/{proxy+}")][..]),
        ("keys", &[("POST", "/api/v1/keys")][..]),
    ] {
        let routes = routes
            .iter()
            .map(|(method, path)| Route {
                method: (*method).to_owned(),
                path: (*path).to_owned(),
            })
            .collect();
        stack.functions.insert(
            name.to_owned(),
            Function {
                logical_id: name.to_owned(),
                environment: BTreeMap::new(),
                timeout: Duration::from_secs(3),
                routes,
                queues: Vec::new(),
                schedules: Vec::new(),
            },
        );
    }
    stack
}

#[test]
fn the_most_specific_route_wins() {
    let routes = Routes::new(&stack());
    for (method, path, expected) in [
        (
            "GET",
            "/signup/demo/double",
            Some("signup account=demo setup=double"),
        ),
        ("GET", "/signup/demo/hello", Some("hello account=demo")),
        (
            "POST",
            "/signup/demo/hello",
            Some("signup account=demo setup=hello"),
        ),
        (
            "GET",
            "/signup/a%20b/%C3%A4",
            Some("signup account=a b setup=ä"),
        ),
        (
            "DELETE",
            "/api/v1/accounts/demo/keys/1",
            Some("admin proxy=accounts/demo/keys/1"),
        ),
        ("POST", "/api/v1/keys", Some("keys")),
        ("GET", "/api/v1/keys", Some("admin proxy=keys")),
        ("BREW", "/api/v1/accounts", None),
        ("DELETE", "/signup/demo/double", None),
        ("HEAD", "/signup/demo/double", None),
        ("GET", "/signup/demo", None),
        ("GET", "/signup/demo/double/more", None),
        ("GET", "/signup//double", None),
        ("GET", "/api/v1/", None),
        ("GET", "/", None),
    ] {
        let found = routes.find(method, path).map(|found| {
            let mut text = found.function.to_owned();
            for (name, value) in &found.parameters {
                text.extend([" ", name, "=", value]);
            }
            text
        });
        assert_eq!(found.as_deref(), expected, "{method} {path}");
    }
}

#[test]
fn the_default_route_takes_what_no_other_takes() {
    let mut stack = stack();
    let signup = stack.functions.get_mut("signup").unwrap();
    signup.routes.push(Route {
        method: "ANY".to_owned(),
        path: route::DEFAULT_ROUTE.to_owned(),
    });
    let routes = Routes::new(&stack);
    for (method, path, expected) in [
        ("GET", "/", Some("$default")),
        ("PUT", "/confirm/", Some("$default")),
        ("DELETE", "/signup/demo/double", Some("$default")),
        (
            "GET",
            "/signup/demo/hello",
            Some("GET /signup/{account}/hello"),
        ),
        ("GET", "/api/v1/x", Some("ANY /api/v1/{proxy+}")),
        ("BREW", "/", None),
    ] {
        let found = routes.find(method, path).map(|found| found.route_key);
        assert_eq!(found.as_deref(), expected, "{method} {path}");
    }
}

fn event_of(request: http::request::Builder, body: &[u8]) -> Json {
    let (parts, ()) = request.body(()).unwrap().into_parts();
    let routes = Routes::new(&stack());
    let found = routes
        .find(parts.method.as_str(), parts.uri.path())
        .unwrap();
    let peer = Peer {
        address: "127.5.6.7".parse().unwrap(),
        received_at: "2027-01-31T12:00:00.250Z".parse().unwrap(),
        request_id: "id".to_owned(),
    };
    event::from_http(&parts, body, &found, &peer)
}

#[test]
fn only_text_types_travel_as_text() {
    for (kind, body, encoded) in [
        (Some("application/json"), &b"{}"[..], false),
        (Some("application/JSON; charset=utf-8"), b"{}", false),
        (Some("application/problem+json"), b"{}", false),
        (Some("application/atom+xml"), b"<a/>", false),
        (Some("application/xml"), b"<a/>", false),
        (Some("application/javascript"), b"1", false),
        (Some("text/csv"), b"email", false),
        (Some("application/x-www-form-urlencoded"), b"email=a", true),
        (Some("multipart/form-data; boundary=x"), b"--x--", true),
        (Some("application/octet-stream"), b"x", true),
        (Some("nonsense"), b"x", true),
        (None, b"x", true),
        (Some("application/json"), b"\xff\xfe", true),
    ] {
        let mut request = http::Request::post("/signup/demo/double");
        if let Some(kind) = kind {
            request = request.header("content-type", kind);
        }
        let event = event_of(request, body);
        assert_eq!(event["isBase64Encoded"], json!(encoded), "{kind:?}");
        let text = event["body"].as_str().unwrap();
        if encoded {
            let decoded = base64::Engine::decode(&base64::prelude::BASE64_STANDARD, text).unwrap();
            assert_eq!(decoded, body, "{kind:?}");
        } else {
            assert_eq!(text.as_bytes(), body, "{kind:?}");
        }
    }
}

#[test]
fn a_request_becomes_the_event_that_api_gateway_sends() {
    let request = http::Request::get("/signup/demo/double?lang=en&list=a&list=b%20c&empty")
        .header("Host", "127.0.0.1:8080")
        .header("User-Agent", "curl")
        .header("Accept", "text/html")
        .header("Accept", "application/json")
        .header("Cookie", "a=1; b=2")
        .header("Cookie", "c=3")
        .header("X-Forwarded-For", "203.0.113.7");
    let event = event_of(request, b"");
    for (pointer, expected) in [
        ("/version", json!("2.0")),
        ("/routeKey", json!("GET /signup/{account}/{setup}")),
        ("/rawPath", json!("/signup/demo/double")),
        ("/rawQueryString", json!("lang=en&list=a&list=b%20c&empty")),
        (
            "/queryStringParameters",
            json!({"lang": "en", "list": "a,b c", "empty": ""}),
        ),
        (
            "/pathParameters",
            json!({"account": "demo", "setup": "double"}),
        ),
        ("/cookies", json!(["a=1", "b=2", "c=3"])),
        ("/headers/accept", json!("text/html,application/json")),
        ("/headers/x-forwarded-for", json!("203.0.113.7, 127.5.6.7")),
        ("/requestContext/http/sourceIp", json!("127.5.6.7")),
        ("/requestContext/http/method", json!("GET")),
        ("/requestContext/http/userAgent", json!("curl")),
        ("/requestContext/stage", json!("$default")),
        ("/requestContext/timeEpoch", json!(1_801_396_800_250_i64)),
        ("/requestContext/time", json!("31/Jan/2027:12:00:00 +0000")),
        ("/isBase64Encoded", json!(false)),
    ] {
        assert_eq!(event.pointer(pointer), Some(&expected), "{pointer}");
    }
    assert!(event["headers"].get("cookie").is_none());
    assert!(event.get("body").is_none());
}

#[tokio::test]
async fn an_answer_becomes_http() {
    for (answer, status, headers, body) in [
        (
            json!({"statusCode": 303, "headers": {"location": "/x"}, "cookies": ["a=1", "b=2"]}),
            303,
            &[
                ("location", "/x"),
                ("set-cookie", "a=1"),
                ("set-cookie", "b=2"),
            ][..],
            "",
        ),
        (
            json!({"statusCode": 200, "body": "aGFsbG8=", "isBase64Encoded": true,
                   "headers": {"x": "1"}, "multiValueHeaders": {"X": ["1", "2"]}}),
            200,
            &[("x", "1"), ("x", "2")][..],
            "hallo",
        ),
        (
            json!({"hello": 1}),
            200,
            &[("content-type", "application/json")][..],
            r#"{"hello":1}"#,
        ),
    ] {
        let response = event::into_http(&answer).unwrap();
        assert_eq!(response.status().as_u16(), status, "{answer}");
        for (name, value) in headers {
            let found = response
                .headers()
                .get_all(*name)
                .iter()
                .any(|found| found == value);
            assert!(found, "{answer}: {name}");
        }
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(bytes, body.as_bytes(), "{answer}");
    }
    for answer in [
        json!({"statusCode": "ok"}),
        json!({"statusCode": 200, "body": {}}),
        json!({"statusCode": 200, "headers": {"a b": "c"}}),
    ] {
        assert!(event::into_http(&answer).is_none(), "{answer}");
    }
}
