//! The form on pages that are not ours: as a snippet to copy, and through the same guards however
//! it is sent (P-04, P-07).

use serde_json::json;
use tests::sign_up::Encoding;
use tests::{Person, World};

use super::{SETUPS, errors, made};

/// The names and fixed values of a form's inputs, as a browser sends them when nothing is typed.
fn inputs(html: &str) -> Vec<(String, String)> {
    let part = |tag: &str, name: &str| {
        let (_, rest) = tag.split_once(&format!("{name}=\""))?;
        Some(rest.split('"').next().unwrap_or_default().to_owned())
    };
    html.split('<')
        .filter(|tag| tag.starts_with("input") || tag.starts_with("select"))
        .filter(|tag| !tag.contains("type=\"checkbox\""))
        .filter_map(|tag| Some((part(tag, " name")?, part(tag, " value").unwrap_or_default())))
        .collect()
}

#[tokio::test]
async fn every_setup_has_a_snippet_in_both_languages_that_works_where_it_is_pasted() {
    let world = World::start().await;
    let api = world.api();
    let rich = json!({
        "fields": [
            {"key": "email", "required": true, "purpose": "Zum Versand"},
            {"key": "first_name", "purpose": "Zur Anrede"},
            {"key": "last_name", "required": true, "purpose": "Zur Anrede"},
        ],
        "asks_tracking_consent": true, "asks_profiling_consent": true,
    });
    let rich = made(&world, &rich).await;
    for (number, setup) in ["single", "confirmed", "double", &rich]
        .into_iter()
        .enumerate()
    {
        for (lang, spoken, button) in [
            ("", "de", "Anmelden"),
            ("?lang=de", "de", "Anmelden"),
            ("?lang=en", "en", "Sign up"),
        ] {
            let path = format!("{SETUPS}/{setup}/snippet{lang}");
            let answer = api.get(&path).await.expect(200);
            assert_eq!(
                answer.header("content-type"),
                Some("text/html; charset=utf-8")
            );
            let html = answer.text();
            let base = world.endpoint("api");
            for part in [
                format!("<section lang=\"{spoken}\""),
                format!("method=\"post\" action=\"{base}/signup/demo/{setup}\""),
                format!("<button>{button}</button>"),
                format!("href=\"{base}/notice/demo/"),
            ] {
                assert_eq!(html.matches(&part).count(), 1, "{part}: {html}");
            }
            for elsewhere in [
                "<script", "src=", "<link", "<style", "url(", "checked", "_form",
            ] {
                assert!(!html.contains(elsewhere), "{elsewhere}: {html}");
            }
            // WCAG 2.2, 1.3.1, 3.3.2 and 4.1.2: what is filled in has its label, what is asked
            // together its legend.
            for id in html.split(" id=\"f-").skip(1) {
                let id = id.split('"').next().unwrap();
                let has_label = html.contains(&format!("for=\"f-{id}\""));
                assert!(
                    has_label || html.contains(&format!("<fieldset id=\"f-{id}\"")),
                    "{id}"
                );
            }
            assert_eq!(
                html.matches("<fieldset").count(),
                html.matches("<legend>").count()
            );
            assert_eq!(
                html.matches("type=\"checkbox\"").count(),
                html.matches("<label class=\"tick\">").count()
            );

            let person = world.person(&format!("n{number}{spoken}{}", lang.len()));
            let mut form = world.sign_up(setup);
            for (name, value) in inputs(&html) {
                form = match name.as_str() {
                    "email" => form.email(&person.email),
                    "last_name" => form.field("last_name", &person.last_name),
                    name => form.field(name, &value),
                };
            }
            let sent = form.from(world.fresh_client()).send().await;
            sent.expect_accepted();
            world.drain().await;
            let evidence = world.evidence(&person.email).await.remove(0);
            assert_eq!(evidence["language"], spoken);
            let notice = evidence["notice_version"].as_str().unwrap();
            assert!(html.contains(notice), "the notice that was shown");
        }
    }
    let answer = api.get(&format!("{SETUPS}/double/snippet?lang=fr")).await;
    assert_eq!(
        errors(&answer.expect(422)),
        [("lang".to_owned(), "unknown".to_owned())]
    );
    api.get(&format!("{SETUPS}/nothing/snippet"))
        .await
        .expect(404);
    world.finish().await;
}

#[tokio::test]
async fn the_same_guards_hold_however_a_form_is_sent_and_whatever_answer_it_wants() {
    let world = World::start().await;
    let mut number = 0_u8;
    for encoding in [Encoding::UrlEncoded, Encoding::Multipart, Encoding::Json] {
        for as_json in [false, true] {
            number += 1;
            let name = |what: &str| world.person(&format!("{what}{number}"));
            let send = async |person: &Person, pairs: &[(&str, &str)], client: u8| {
                let mut form = world
                    .sign_up("double")
                    .email(&person.email)
                    .encoded(encoding);
                for (name, value) in pairs {
                    form = form.field(name, value);
                }
                if as_json {
                    form = form.accept_json();
                }
                form.from(world.client(client)).send().await
            };
            let token = async || {
                let page = world
                    .get("/signup/demo/double")
                    .send()
                    .await
                    .expect_page(200);
                let (_, rest) = page
                    .text()
                    .split_once("name=\"_form\" value=\"")
                    .map(|(a, b)| (a.to_owned(), b.to_owned()))
                    .unwrap();
                let token = rest.split('"').next().unwrap().to_owned();
                world.keep_private("a token", &token);
                token
            };
            let [human, honeypot, fast, replayed, forged] =
                ["human", "honeypot", "fast", "replayed", "forged"].map(name);
            let good = token().await;
            let too_fast = token().await;
            let answers = [
                send(&fast, &[("_form", &too_fast)], number).await,
                send(&honeypot, &[("website", "http://x.example")], number).await,
                send(&forged, &[("_form", "forged")], number).await,
            ];
            world.advance("PT5S").await;
            let accepted = send(&human, &[("_form", &good), ("website", "")], number).await;
            let again = send(&replayed, &[("_form", &good)], number).await;
            for answer in answers.iter().chain([&again]) {
                assert_eq!(*answer, accepted, "no answer tells");
            }
            accepted.expect_accepted();
            // The sixth from one client, however it comes.
            send(&human, &[], number).await.expect(429);
            world.drain().await;
            world.only_mail(&human.email).await;
            for bot in [&honeypot, &fast, &replayed, &forged] {
                assert!(world.inbox(&bot.email).await.is_empty());
                assert!(world.evidence(&bot.email).await.is_empty());
            }
        }
    }
    world.finish().await;
}
