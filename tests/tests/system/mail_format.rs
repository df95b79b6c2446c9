//! Every kind of mail as it leaves: its bytes, its headers, its words.
//!
//! `tests/python` looks at the same with another implementation.

use serde_json::json;
use tests::{Mail, World};

/// One mail of each kind, by name.
async fn every_kind(world: &World) -> Vec<(&'static str, Mail)> {
    let api = world.api();
    for mode in ["confirmed", "double"] {
        let mut setup = api
            .get(&format!("/accounts/demo/setups/{mode}"))
            .await
            .expect(200)
            .json();
        setup["language"] = json!("en");
        setup["name"] = json!("English");
        setup.as_object_mut().expect("an object").remove("id");
        let made = api.post("/accounts/demo/setups", &setup).await.expect(201);
        let id = made.json()["id"].as_str().expect("an id").to_owned();
        let name = if mode == "double" { "en" } else { "inform" };
        sign_up(world, name, &id).await;
    }
    sign_up(world, "de", "double").await;
    sign_up(world, "informiere", "confirmed").await;
    world.drain().await;
    let mut mails = Vec::new();
    for (kind, name) in [
        ("confirmation_de", "de"),
        ("confirmation_en", "en"),
        ("information_de", "informiere"),
        ("information_en", "inform"),
    ] {
        mails.push((kind, world.only_mail(&world.person(name).email).await));
    }
    mails
}

async fn sign_up(world: &World, name: &str, setup: &str) {
    let person = world.person(name);
    world
        .sign_up(setup)
        .email(&person.email)
        .field("salutation", "http://spam.example/ jetzt kaufen")
        .field("first_name", &person.first_name)
        .field("last_name", &person.last_name)
        .from(world.fresh_client())
        .send()
        .await
        .expect_accepted();
}

#[tokio::test]
async fn every_mail_is_seven_bit_with_short_lines_and_the_headers_of_its_kind() {
    let world = World::start().await;
    for (kind, mail) in every_kind(&world).await {
        assert!(mail.raw.is_ascii(), "{kind}");
        assert!(mail.raw.ends_with("\r\n"), "{kind}");
        let bare = mail.raw.replace("\r\n", "");
        assert!(!bare.contains(['\r', '\n']), "{kind}: a bare CR or LF");
        for line in mail.raw.split("\r\n") {
            assert!(line.len() <= 998, "{kind}: {} octets", line.len());
        }
        for (name, times) in [
            ("From", 1),
            ("To", 1),
            ("Subject", 1),
            ("Date", 1),
            ("Message-ID", 1),
            ("MIME-Version", 1),
            ("Auto-Submitted", 1),
            ("List-Unsubscribe", 0),
            ("List-Unsubscribe-Post", 0),
            ("List-Id", 0),
            ("Cc", 0),
            ("Bcc", 0),
            ("Precedence", 0),
        ] {
            assert_eq!(mail.header(name).len(), times, "{kind}: {name}");
        }
        assert_eq!(mail.header("Auto-Submitted"), ["auto-generated"], "{kind}");
        assert!(mail.from.ends_with("@muster.example>"), "{kind}");
        assert!(mail.subject.contains("Muster GmbH"), "{kind}");
    }
    world.finish().await;
}

#[tokio::test]
async fn no_mail_to_one_person_advertises_tracks_or_repeats_what_a_visitor_typed() {
    let world = World::start().await;
    for (kind, mail) in every_kind(&world).await {
        let html = mail.html.clone().unwrap();
        for text in [mail.text(), &html, &mail.subject] {
            for typed in ["spam.example", "jetzt kaufen", "Quellwolke", "Zwirbelstein"] {
                assert!(!text.contains(typed), "{kind}: {typed}");
            }
        }
        for beacon in ["<img", "src=", "url(", "<script", "<link", "background="] {
            assert!(!html.contains(beacon), "{kind}: {beacon}");
        }
        // The links of its purpose, the privacy notice, nothing else (L-07); the same in both.
        let action = if kind.starts_with("confirmation") {
            "confirm"
        } else {
            "unsubscribe"
        };
        let base = world.endpoint("api");
        let mut expected = vec![format!("{base}{}", mail.path(action))];
        if action == "confirm" {
            expected.push(format!("{base}{}", mail.path("not-me")));
        }
        expected.push("https://muster.example/datenschutz".to_owned());
        assert_eq!(mail.links(), expected, "{kind}");
        let in_html: Vec<_> = html
            .split("href=\"")
            .skip(1)
            .filter_map(|rest| rest.split('"').next())
            .map(str::to_owned)
            .collect();
        assert_eq!(in_html, expected, "{kind}");
        assert!(mail.path(action).len() < 2_000, "A-41");
    }
    world.finish().await;
}

#[tokio::test]
async fn the_words_of_every_mail_are_the_ones_that_were_agreed_on() {
    let world = World::start().await;
    for (kind, mail) in every_kind(&world).await {
        let text = masked(&mail.masked_text(world.endpoint("api")));
        insta::assert_snapshot!(kind, format!("Subject: {}\n\n{text}", mail.subject));
    }
    world.finish().await;
}

/// Dates and times of day differ from run to run.
fn masked(text: &str) -> String {
    let mut lines = Vec::new();
    for line in text.lines() {
        let (from, to) = match line {
            _ if line.starts_with("Der Link gilt bis ") => ("Der Link gilt bis ", " Uhr."),
            _ if line.starts_with("The link is valid until ") => {
                ("The link is valid until ", ". If")
            }
            _ => {
                lines.push(line.to_owned());
                continue;
            }
        };
        let (_, rest) = line.split_once(to).expect("the time's end");
        lines.push(format!("{from}[time]{to}{rest}"));
    }
    lines.join("\n")
}
