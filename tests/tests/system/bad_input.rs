//! What nobody should send: it is refused as the contract says, and leaves nothing behind.

use serde_json::json;
use tests::{Answer, World};

const FORM: &str = "application/x-www-form-urlencoded";

/// A refused sign-up: name, content type, body, status.
struct Bad(&'static str, &'static str, Vec<u8>, u16);

fn bad_forms(email: &str) -> Vec<Bad> {
    let encoded = email.replace('@', "%40");
    let with = |rest: &str| format!("email={encoded}&{rest}").into_bytes();
    let mail = |value: &str| format!("email={value}").into_bytes();
    let multipart = |body: &str| body.replace('\n', "\r\n").into_bytes();
    vec![
        Bad("no body", FORM, Vec::new(), 422),
        Bad("no address", FORM, b"first_name=Anna".to_vec(), 422),
        Bad("empty address", FORM, mail(""), 422),
        Bad("no at", FORM, mail("anna.example"), 422),
        Bad(
            "two addresses in one",
            FORM,
            mail(&format!("{encoded}%2C{encoded}")),
            422,
        ),
        Bad(
            "two addresses",
            FORM,
            with(&format!("email={encoded}")),
            422,
        ),
        Bad(
            "name and address",
            FORM,
            mail(&format!("Anna+%3C{encoded}%3E")),
            422,
        ),
        Bad(
            "local part not ASCII",
            FORM,
            mail(&format!("%CE%B4{encoded}")),
            422,
        ),
        Bad(
            "local part too long",
            FORM,
            mail(&format!("{}{encoded}", "a".repeat(64))),
            422,
        ),
        Bad(
            "header in the address",
            FORM,
            mail(&format!("{encoded}%0D%0ABcc:x%40y.example")),
            422,
        ),
        Bad(
            "line feed before it",
            FORM,
            mail(&format!("%0A{encoded}")),
            422,
        ),
        Bad(
            "NUL in the address",
            FORM,
            mail(&format!("a%00{encoded}")),
            422,
        ),
        Bad(
            "header in a name",
            FORM,
            with("first_name=A%0D%0ABcc:+x%40y.example"),
            422,
        ),
        Bad("NUL in a name", FORM, with("last_name=%00"), 422),
        Bad(
            "line separator in a name",
            FORM,
            with("last_name=a%E2%80%A8b"),
            422,
        ),
        Bad(
            "name too long",
            FORM,
            with(&format!("last_name={}", "a".repeat(501))),
            422,
        ),
        Bad(
            "invalid UTF-8, encoded",
            FORM,
            with("last_name=%FF%FE"),
            422,
        ),
        Bad(
            "invalid UTF-8, raw",
            FORM,
            [with("last_name="), vec![0xff, 0xfe]].concat(),
            422,
        ),
        Bad(
            "half a surrogate",
            "application/json",
            br#"{"email":"\ud800@x.example"}"#.to_vec(),
            422,
        ),
        Bad(
            "a field the setup does not ask for",
            FORM,
            with("date_of_birth=1970-01-01"),
            422,
        ),
        Bad("another such", FORM, with("street=Gasse+1"), 422),
        Bad(
            "an undeclared field",
            FORM,
            with("field.schuhgroesse=42"),
            422,
        ),
        Bad("an unknown list", FORM, with("list=geheim"), 422),
        Bad("an unknown interest", FORM, with("interest=alles"), 422),
        Bad("a name twice", FORM, with("first_name=A&first_name=B"), 422),
        Bad("no type", "", with(""), 415),
        Bad("text", "text/plain", with(""), 415),
        Bad("XML", "application/xml", b"<email/>".to_vec(), 415),
        Bad("nonsense type", "§§§", with(""), 415),
        Bad(
            "form in name only",
            "application/x-www-form-urlencodedx",
            with(""),
            415,
        ),
        Bad("JSON: nothing", "application/json", Vec::new(), 422),
        Bad(
            "JSON: half",
            "application/json",
            br#"{"email":"#.to_vec(),
            422,
        ),
        Bad(
            "JSON: a list",
            "application/json",
            br#"["email"]"#.to_vec(),
            422,
        ),
        Bad(
            "JSON: a number",
            "application/json",
            br#"{"email":5}"#.to_vec(),
            422,
        ),
        Bad(
            "JSON: an object",
            "application/json",
            br#"{"email":{"S":"x"}}"#.to_vec(),
            422,
        ),
        Bad(
            "JSON: an object for a name",
            "application/json",
            format!(r#"{{"email":"{email}","first_name":{{"a":1}}}}"#).into_bytes(),
            422,
        ),
        Bad(
            "JSON: a number for a name",
            "application/json",
            format!(r#"{{"email":"{email}","first_name":42}}"#).into_bytes(),
            422,
        ),
        Bad(
            "JSON: an array for a name",
            "application/json",
            format!(r#"{{"email":"{email}","first_name":["A"]}}"#).into_bytes(),
            422,
        ),
        Bad(
            "JSON: an array for the address",
            "application/json",
            format!(r#"{{"email":["{email}"]}}"#).into_bytes(),
            422,
        ),
        Bad(
            "JSON: true for a list",
            "application/json",
            format!(r#"{{"email":"{email}","list":true}}"#).into_bytes(),
            422,
        ),
        Bad(
            "multipart: a file for a name",
            "multipart/form-data; boundary=x",
            multipart(&format!(
                "--x\nContent-Disposition: form-data; name=\"email\"\n\n{email}\n--x\nContent-Disposition: form-data; name=\"first_name\"; filename=\"a.txt\"\n\nAnna\n--x--\n"
            )),
            422,
        ),
        Bad(
            "JSON: invalid UTF-8",
            "application/json",
            b"{\"email\":\"\xff\"}".to_vec(),
            422,
        ),
        Bad(
            "JSON: deep",
            "application/json",
            [b"[".repeat(20_000), b"]".repeat(20_000)].concat(),
            422,
        ),
        Bad(
            "multipart: no boundary",
            "multipart/form-data",
            with(""),
            422,
        ),
        Bad(
            "multipart: no end",
            "multipart/form-data; boundary=x",
            multipart("--x\nContent-Disposition: form-data; name=\"email\"\n\na@"),
            422,
        ),
        Bad(
            "multipart: other boundary",
            "multipart/form-data; boundary=x",
            multipart("--y\n\n--y--\n"),
            422,
        ),
        Bad(
            "multipart: invalid UTF-8",
            "multipart/form-data; boundary=x",
            [
                multipart("--x\nContent-Disposition: form-data; name=\"email\"\n\n"),
                vec![0xff],
                multipart("\n--x--\n"),
            ]
            .concat(),
            422,
        ),
        Bad(
            "65 KB",
            FORM,
            with(&format!("utm_x={}", "a".repeat(65 * 1024))),
            413,
        ),
        Bad(
            "65 KB of another type",
            "text/plain",
            vec![b'a'; 65 * 1024],
            413,
        ),
        Bad(
            "2 MB",
            FORM,
            with(&format!("utm_x={}", "a".repeat(2 * 1024 * 1024))),
            413,
        ),
        Bad("11 MB", FORM, vec![b'a'; 11 * 1024 * 1024], 413),
    ]
}

/// Nothing stored, nothing mailed, and it still works.
async fn unharmed(world: &World, before: &tests::stored::Stored, mails: u64, after: &str) {
    world.drain().await;
    world.stored().await.expect_same(before, after);
    assert_eq!(world.mail_count().await, mails, "mailed after: {after}");
}

#[tokio::test]
async fn what_no_form_should_send_is_refused_and_leaves_nothing() {
    let world = World::start().await;
    let anna = world.person("anna");
    let before = world.stored().await;
    for setup in ["double", "single"] {
        for Bad(what, content_type, body, status) in bad_forms(&anna.email) {
            for accept in ["text/html,*/*;q=0.8", "application/json"] {
                let mut press = world
                    .post(&format!("/signup/demo/{setup}"))
                    .from(world.fresh_client())
                    .header("accept", accept)
                    .header("x-forwarded-for", "203.0.113.9");
                press = match content_type {
                    "" => press.body("", body.clone()),
                    "§§§" => press.body(";;;", body.clone()),
                    _ => press.body(content_type, body.clone()),
                };
                let answer = press.send().await;
                assert_eq!(answer.status, status, "{what}: {answer:?}");
                // Above 10 MB it is API Gateway that answers.
                if what != "11 MB" {
                    let kind = answer.header("content-type").unwrap_or_default();
                    let expected = if accept == "application/json" {
                        "application/problem+json"
                    } else {
                        "text/html; charset=utf-8"
                    };
                    assert_eq!(kind, expected, "{what}");
                }
                assert_eq!(answer.header("bcc"), None, "{what}");
                // The form shows the visitor again what they typed; nothing else says it.
                let is_form = answer.text().contains("<form");
                assert!(
                    is_form || !answer.text().contains(&anna.email),
                    "{what}: {answer:?}"
                );
                assert!(!answer.text().contains("<script"), "{what}: {answer:?}");
            }
            world
                .stored()
                .await
                .expect_same(&before, "stored after: {what}");
        }
    }
    unharmed(&world, &before, 0, "all of it").await;
    world
        .sign_up("double")
        .email(&anna.email)
        .send()
        .await
        .expect_accepted();
    world.drain().await;
    world.only_mail(&anna.email).await;
    world.finish().await;
}

#[tokio::test]
async fn every_field_that_is_wrong_is_named() {
    let world = World::start().await;
    let problem = world
        .sign_up("double")
        .field("email", "nobody")
        .field("first_name", "a\r\nb")
        .field("list", "geheim")
        .field("date_of_birth", "1970-01-01")
        .accept_json()
        .send()
        .await
        .expect(422)
        .json();
    assert_eq!(problem["status"], 422);
    let mut fields: Vec<_> = problem["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| error["field"].as_str().unwrap().to_owned())
        .collect();
    fields.sort();
    assert_eq!(fields, ["date_of_birth", "email", "first_name", "list"]);
    let sent = json!({
        "email": 5, "first_name": {"a": 1}, "last_name": null, "salutation": 1.5,
        "list": [1], "website": null, "utm_id": 7,
    });
    let problem = world
        .post("/signup/demo/double")
        .header("accept", "application/json")
        .body("application/json", sent.to_string())
        .send()
        .await
        .expect_problem(422, "invalid")
        .json();
    let wrong = |field: &str, expected: &str| json!({"field": field, "code": "wrong_type", "expected": expected});
    assert_eq!(
        problem["errors"],
        json!([
            wrong("email", "text"),
            wrong("first_name", "text"),
            wrong("list", "text or array of texts"),
            wrong("salutation", "text"),
        ])
    );
    let page = world
        .sign_up("double")
        .field("email", "nobody")
        .field("first_name", "<script>alert(1)</script>\n")
        .send()
        .await
        .expect_page(422);
    assert!(page.text().contains("<li>") && !page.text().contains("<script"));
    let tls_only = page.header("strict-transport-security");
    assert_eq!(tls_only, Some("max-age=31536000"));
    // What was typed stands there again, as text.
    for typed in [
        r#"value="nobody""#,
        r#"value="&#60;script&#62;alert(1)&#60;/script&#62;"#,
    ] {
        assert!(page.text().contains(typed), "{typed}: {page:?}");
    }
    // Each line leads to its field, and the field says what is wrong with it (WCAG 2.2, 3.3.1).
    for part in [
        r##"<a href="#f-email">"##,
        r#"id="f-email" name="email""#,
        r#"aria-invalid="true" aria-describedby="p-email""#,
        r#"id="p-email""#,
    ] {
        assert!(page.text().contains(part), "{part}: {page:?}");
    }
    world.finish().await;
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    let world = World::start().await;
    let anna = world.person("anna");
    let before = world.stored().await;
    for (account, setup) in [
        ("demo", "triple"),
        ("nobody", "double"),
        ("demo", "%00"),
        ("demo", "double%2F"),
        ("%64emo", "dou%00ble"),
        ("..", "double"),
        ("demo%23C", "double"),
        ("DEMO", "double"),
        ("demo", "%ff"),
        ("A%23demo", "setup%23double"),
    ] {
        let page = world
            .sign_up_at(account, setup)
            .email(&anna.email)
            .from(world.fresh_client())
            .send()
            .await;
        assert_eq!(page.status, 404, "{account}/{setup}: {page:?}");
        let form = world
            .get(&format!("/signup/{account}/{setup}"))
            .send()
            .await;
        assert_eq!(form.status, 404, "{account}/{setup}");
    }
    for path in [
        "/",
        "/signup",
        "/signup/demo",
        "/confirm/",
        "/unsubscribe",
        "/admin",
    ] {
        world.get(path).send().await.expect_page(404);
        let asked = world.get(path).header("accept", "application/json");
        asked.send().await.expect_problem(404, "not_found");
    }
    world
        .get("/api/v1")
        .send()
        .await
        .expect_problem(404, "not_found");
    for (method, path) in [
        ("POST", "/confirm/"),
        ("PUT", "/confirm"),
        ("POST", "/unsubscribe/"),
        ("DELETE", "/confirm/a/b"),
    ] {
        let lost = world.request(method, path).send().await.expect_page(404);
        let unknown = world.get("/confirm/x").send().await;
        assert_eq!(lost.text(), unknown.text(), "{method} {path}");
    }
    assert_eq!(
        world
            .get("/nowhere")
            .send()
            .await
            .header("access-control-allow-origin"),
        None
    );
    unharmed(&world, &before, 0, "unknown places").await;
    world.finish().await;
}

#[tokio::test]
async fn other_methods_do_nothing() {
    let world = World::start().await;
    let anna = world.person("anna");
    let mail = {
        world
            .sign_up("double")
            .email(&anna.email)
            .send()
            .await
            .expect_accepted();
        world.drain().await;
        world.only_mail(&anna.email).await
    };
    let before = world.stored().await;
    for path in [
        "/signup/demo/double",
        &mail.path("confirm"),
        "/unsubscribe/x",
    ] {
        for method in ["PUT", "DELETE", "PATCH", "TRACE", "BREW"] {
            let answer = world
                .request(method, path)
                .body(FORM, format!("email={}", anna.email))
                .send()
                .await;
            // Of other methods API Gateway has no route: it answers by itself.
            if ["TRACE", "BREW"].contains(&method) {
                answer.expect(404);
                continue;
            }
            let page = answer.expect_page(405);
            let allow = page.header("allow").unwrap_or_default();
            assert!(allow.starts_with("GET, HEAD, POST"), "{method} {path}");
        }
    }
    let form = world
        .get("/signup/demo/double")
        .send()
        .await
        .expect_page(200);
    let head = world.request("HEAD", "/signup/demo/double").send().await;
    assert_eq!(head.status, 200);
    assert_eq!(head.header("content-type"), form.header("content-type"));
    assert!(head.body.is_empty(), "{head:?}");
    // A method override is no method.
    world
        .get(&mail.path("confirm"))
        .header("x-http-method-override", "POST")
        .send()
        .await
        .expect_page(200);
    unharmed(&world, &before, 1, "other methods").await;
    world.finish().await;
}

#[tokio::test]
async fn what_is_not_even_http_does_not_bring_it_down() {
    let world = World::start().await;
    let before = world.stored().await;
    let long = format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "a".repeat(100_000));
    for bytes in [
        &b""[..],
        b"\r\n\r\n",
        b"HELO shop.example\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST /signup/demo/double HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\nemail=",
        b"POST /signup/demo/double HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST /signup/demo/double HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
        b"POST /signup/demo/double HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET /confirm/%zz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"GET /confirm/a\0b HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET http://elsewhere.example/confirm/x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        long.as_bytes(),
    ] {
        let answer: Answer = world.send_raw(bytes).await;
        let what = String::from_utf8_lossy(&bytes[..bytes.len().min(60)]).into_owned();
        assert!(
            answer.status == 0 || (400..500).contains(&answer.status),
            "{what}: {answer:?}"
        );
    }
    unharmed(&world, &before, 0, "noise").await;
    world.local("GET", "health", None).await.expect(200);
    world.finish().await;
}

#[tokio::test]
async fn the_management_api_lets_nobody_in_without_a_key() {
    let world = World::start().await;
    let before = world.stored().await;
    for key in ["", "x", "Bearer", "\u{e4}", &"k".repeat(9_000)] {
        for path in [
            "/accounts/demo",
            "/accounts/demo/subscribers",
            "/accounts/nobody",
        ] {
            let answer = tests::api::Api::get(&world.api_with_key(key), path).await;
            assert!(
                answer.status == 401 || answer.status == 431,
                "{path}: {answer:?}"
            );
        }
        let answer = world
            .api_with_key(key)
            .post("/accounts", &json!({"name": "Fremde GmbH"}))
            .await;
        assert!(answer.status == 401 || answer.status == 431, "{answer:?}");
    }
    unharmed(&world, &before, 0, "foreign keys").await;
    world.finish().await;
}
