//! The evidence ledger: sealed hourly, proven by a certificate that a plain Python checks.

use std::path::PathBuf;
use std::process::Command;

use serde_json::{Value, json};
use tests::{Person, World};

/// What `docs/verify.py` says to a certificate: its exit status and its words.
struct Verifier(PathBuf);

impl Verifier {
    /// `None` where there is no Python; `.ci/run` sees to it that there is one.
    fn new(world: &World) -> Option<Self> {
        if Command::new("python3").arg("--version").output().is_err() {
            eprintln!("WITHOUT PYTHON: docs/verify.py is not tried");
            return None;
        }
        Some(Self(world.data()))
    }

    fn check(&self, certificate: &str, keys: &str) -> (Option<i32>, String) {
        let write = |name: &str, text: &str| {
            let path = self.0.join(name);
            std::fs::write(&path, text).expect("it can be done");
            path
        };
        let (certificate, keys) = (
            write("certificate.json", certificate),
            write("keys.json", keys),
        );
        let answer = Command::new("python3")
            // `-I -S`: nothing but the standard library.
            .args(["-I", "-S"])
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/verify.py"))
            .args([certificate, keys])
            .output()
            .expect("it can be done");
        let words = String::from_utf8(answer.stdout).expect("it can be done");
        (answer.status.code(), words)
    }

    /// What it says of the whole account `demo`; with these keys and this head, if any.
    async fn check_account(&self, world: &World, more: &[&str]) -> (Option<i32>, String) {
        let mut command = Command::new("python3");
        command
            .args(["-I", "-S"])
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/verify.py"))
            .args(["--account", "demo", "--api", world.endpoint("api")])
            .args(more)
            .env("RUNDBRIEF_KEY", world.endpoint("demo_key"));
        // The platform goes on beside it.
        let answer = tokio::task::spawn_blocking(move || command.output()).await;
        let answer = answer.expect("it can be done").expect("it can be done");
        let words = String::from_utf8(answer.stdout).expect("it can be done");
        (answer.status.code(), words)
    }
}

async fn certificate(world: &World, id: &str) -> Value {
    let path = format!("/accounts/demo/signups/{id}/certificate");
    world.api().get(&path).await.expect(200).json()
}

async fn keys(world: &World) -> String {
    let answer = world
        .get("/.well-known/rundbrief-evidence.json")
        .send()
        .await;
    assert_eq!(answer.status, 200);
    answer.text()
}

async fn confirmed(world: &World, name: &str) -> (Person, String) {
    let person = world.person(name);
    world.subscribe(&person).await;
    let evidence = world.evidence(&person.email).await.remove(0);
    (person, evidence["id"].as_str().expect("an id").to_owned())
}

#[tokio::test]
async fn a_certificate_holds_once_the_hour_is_sealed_and_no_changed_byte_of_it_does() {
    let world = World::start().await;
    let (anna, id) = confirmed(&world, "anna").await;
    let (_, other) = confirmed(&world, "berta").await;
    let before = certificate(&world, &id).await;
    assert!(
        before["entries"]
            .as_array()
            .unwrap()
            .iter()
            .all(|entry| entry["seal"].is_null())
    );

    let report = world.run("retention").await;
    assert_eq!(report["sealed"]["seals"], 1, "{report}");
    let sealed = certificate(&world, &id).await;
    let kinds: Vec<&Value> = sealed["entries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| &entry["statement"]["kind"])
        .collect();
    assert_eq!(kinds, ["signed_up", "mailed", "confirmed"]);
    let stated = &sealed["entries"][0]["statement"];
    assert_eq!(stated["email"], anna.email.as_str());
    // The words of form and mail are there, under the digests that are stated.
    let documents = sealed["documents"].as_array().unwrap();
    let named = |digest: &Value| {
        documents
            .iter()
            .find(|document| document["sha256"] == *digest)
    };
    let form = named(&stated["form_version"]).expect("the form's words");
    assert!(form["text"].as_str().unwrap().contains("consent_wording"));
    let mail = named(&sealed["entries"][1]["statement"]["document"]).expect("the mail's words");
    assert!(mail["text"].as_str().unwrap().contains("{link}"));

    let Some(verifier) = Verifier::new(&world) else {
        return world.finish().await;
    };
    let keys = keys(&world).await;
    let (status, words) = verifier.check(&before.to_string(), &keys);
    assert_eq!(status, Some(3), "{words}");
    assert!(words.contains("NOTHING IS SEALED YET"), "{words}");
    let text = sealed.to_string();
    let (status, words) = verifier.check(&text, &keys);
    assert_eq!(status, Some(0), "{words}");
    assert!(words.contains("double opt-in, confirmed at "), "{words}");
    // Without its confirmation it holds, and says that it proves nothing.
    let mut cut = sealed.clone();
    cut["entries"].as_array_mut().unwrap().pop();
    let (_, words) = verifier.check(&cut.to_string(), &keys);
    assert!(words.contains("NOT CONFIRMED"), "{words}");
    let mut twice = sealed.clone();
    let first = twice["entries"][0].clone();
    twice["entries"].as_array_mut().unwrap().push(first);
    let (status, words) = verifier.check(&twice.to_string(), &keys);
    assert_eq!(status, Some(1), "{words}");
    let (status, words) = verifier.check(&certificate(&world, &other).await.to_string(), &keys);
    assert_eq!(status, Some(0), "{words}");

    // Without the words that were shown it proves less than it says.
    for number in 0..documents.len() {
        let mut less = sealed.clone();
        less["documents"].as_array_mut().unwrap().remove(number);
        let (status, words) = verifier.check(&less.to_string(), &keys);
        assert_eq!(status, Some(1), "{words}");
    }

    // Each changed byte is found, wherever it is, and said where.
    for at in (0..text.len()).step_by(text.len() / 60) {
        let mut changed = text.clone().into_bytes();
        changed[at] = if changed[at] == b'1' { b'2' } else { b'1' };
        let Ok(changed) = String::from_utf8(changed) else {
            continue;
        };
        let (status, words) = verifier.check(&changed, &keys);
        assert_eq!(status, Some(1), "byte {at}: {words}");
        assert!(words.starts_with("DOES NOT HOLD: "), "{words}");
    }
    world.finish().await;
}

#[tokio::test]
async fn seals_are_a_chain_and_sealing_again_seals_nothing_twice() {
    let world = World::start().await;
    confirmed(&world, "anna").await;
    assert_eq!(world.run("retention").await["sealed"]["seals"], 1);
    assert_eq!(world.run("retention").await["sealed"]["seals"], 0);
    let (berta, id) = confirmed(&world, "berta").await;
    let berta = world.subscriber(&berta.email).await.unwrap();
    let path = format!(
        "/accounts/demo/subscribers/{}/unsubscribe",
        berta["id"].as_str().unwrap()
    );
    world.api().post(&path, &json!({})).await.expect(200);
    world.advance("PT1H").await;
    assert!(certificate(&world, &id).await["entries"][2]["seal"].is_object());
    let seals = world.api().all("/accounts/demo/seals").await;
    assert_eq!(seals.len(), 2);
    assert!(seals[0]["sealed"]["previous"].is_null());
    assert_eq!(seals[1]["sealed"]["number"], 2);
    // 3 statements of Berta's sign-up and 1 of her leaving.
    assert_eq!(seals[1]["sealed"]["leaves"], 4);
    let stored = world.scan_table().await;
    assert!(
        stored.of_kind("leaf").is_empty(),
        "what is sealed does not wait"
    );
    world.finish().await;
}

#[tokio::test]
async fn a_record_that_was_altered_in_the_table_is_named() {
    let world = World::start().await;
    let (_, id) = confirmed(&world, "anna").await;
    world.run("retention").await;
    world.tamper("sign_up", "form_ip", "127.0.0.99").await;
    let altered = certificate(&world, &id).await;
    if let Some(verifier) = Verifier::new(&world) {
        let (status, words) = verifier.check(&altered.to_string(), &keys(&world).await);
        assert_eq!(status, Some(1));
        assert!(words.contains(&id), "{words}");
        assert!(words.contains("signed_up"), "{words}");
    }
    world.finish().await;
}

#[tokio::test]
async fn a_whole_account_is_verified_and_what_was_altered_is_named() {
    let world = World::start().await;
    let (anna, id) = confirmed(&world, "anna").await;
    confirmed(&world, "berta").await;
    let subscriber = world.subscriber(&anna.email).await.unwrap();
    let path = format!(
        "/accounts/demo/subscribers/{}/unsubscribe",
        subscriber["id"].as_str().unwrap()
    );
    world.api().post(&path, &json!({})).await.expect(200);
    let Some(verifier) = Verifier::new(&world) else {
        return world.finish().await;
    };
    let (status, words) = verifier.check_account(&world, &[]).await;
    assert_eq!(status, Some(3), "{words}");
    assert!(words.ends_with("0 altered, 3 not sealed yet\n"), "{words}");
    world.run("retention").await;
    let (status, words) = verifier.check_account(&world, &[]).await;
    assert_eq!(status, Some(0), "{words}");
    let counted = "2 sign-ups, 1 unsubscriptions and 1 seals checked: 0 altered, 0 not sealed yet";
    assert!(words.trim().ends_with(counted), "{words}");

    // Whoever kept keys and head needs to trust nobody: a chain begun anew is found.
    let head = words.split("head ").nth(1).expect("a head");
    let head = head.split_whitespace().next().expect("a head");
    let file = world.data().join("kept-keys.json");
    std::fs::write(&file, keys(&world).await).expect("it can be done");
    let file = file.to_str().expect("a path");
    let kept = ["--keys", file, "--head", head];
    let (status, words) = verifier.check_account(&world, &kept).await;
    assert_eq!(status, Some(0), "{words}");
    let other = ["--head", &"0".repeat(64)];
    let (status, words) = verifier.check_account(&world, &other).await;
    assert_eq!(status, Some(1), "{words}");
    std::fs::write(file, r#"{"keys": []}"#).expect("it can be done");
    let (status, words) = verifier.check_account(&world, &["--keys", file]).await;
    assert_eq!(status, Some(1), "{words}");
    assert!(words.contains("which is not published"), "{words}");

    // Leaving that is said to have been the person's own doing, and was not.
    world.tamper("unsubscription", "via", "one_click").await;
    let (status, words) = verifier.check_account(&world, &[]).await;
    let left = world.api().all("/accounts/demo/unsubscriptions").await;
    assert_eq!(status, Some(1), "{words}");
    let named = format!("ALTERED unsubscription {}", left[0]["id"].as_str().unwrap());
    assert!(words.contains(&named), "{words}");
    world.tamper("unsubscription", "via", "controller").await;
    world
        .tamper("sign_up", "consent_wording", "Ja zu allem")
        .await;
    let (status, words) = verifier.check_account(&world, &[]).await;
    assert_eq!(status, Some(1), "{words}");
    assert!(words.contains(&format!("ALTERED sign-up {id}")), "{words}");
    assert!(!words.contains("ALTERED unsubscription "), "{words}");
    world.finish().await;
}

#[tokio::test]
async fn a_confirmation_that_was_never_given_and_a_leaf_that_was_exchanged_are_named() {
    let world = World::start().await;
    let anna = world.person("anna");
    let sign_up = world.sign_up("double").email(&anna.email);
    sign_up.from(world.fresh_client()).send().await;
    world.drain().await;
    world.run("retention").await;
    let Some(verifier) = Verifier::new(&world) else {
        return world.finish().await;
    };
    let (status, words) = verifier.check_account(&world, &[]).await;
    assert_eq!(status, Some(0), "{words}");
    let id = world.evidence(&anna.email).await.remove(0)["id"].clone();
    let id = id.as_str().expect("an id");

    // Somebody with access to the table lets the person have confirmed.
    world.tamper("sign_up", "state", "confirmed").await;
    world.tamper("sign_up", "confirm_ip", "127.0.0.99").await;
    let at = "2026-11-28T09:00:00Z";
    world.tamper("sign_up", "confirmed_at", at).await;
    let (status, words) = verifier.check_account(&world, &[]).await;
    assert_eq!(status, Some(1), "{words}");
    assert!(
        words.contains(&format!("ALTERED sign-up {id}: its conf")),
        "{words}"
    );
    let page = format!("/accounts/demo/signups/{id}/certificate?format=html&lang=de");
    let page = world.api().get(&page).await.expect(200).text();
    assert!(
        !page.contains("127.0.0.99"),
        "what no statement proves is not printed"
    );

    // Another leaf, so that the altered record counts as not sealed yet, for ever.
    let stored = world.scan_table().await;
    let (place, item) = stored
        .0
        .iter()
        .find(|(_, item)| item["kind"] == "sign_up")
        .expect("the sign-up");
    let (table, pk, sk) = place;
    let leaf = item["entry"]["leaf"].as_str().expect("a leaf");
    let text = aws_sdk_dynamodb::types::AttributeValue::S;
    let exchanged = world.clients();
    let exchanged = exchanged
        .dynamodb()
        .update_item()
        .table_name(table)
        .key("pk", text(pk.clone()))
        .key("sk", text(sk.clone()))
        .update_expression(
            "SET #entry.#leaf = :leaf, #state = :state REMOVE confirmed_at, confirm_ip",
        )
        .expression_attribute_names("#entry", "entry")
        .expression_attribute_names("#leaf", "leaf")
        .expression_attribute_names("#state", "state")
        .expression_attribute_values(":leaf", text(format!("{}0000000000000000", &leaf[..10])))
        .expression_attribute_values(":state", text("pending".to_owned()))
        .send()
        .await;
    assert!(exchanged.is_ok(), "the item can be altered");
    world.skip(jiff::SignedDuration::from_hours(2)).await;
    confirmed(&world, "berta").await;
    world.run("retention").await;
    let (status, words) = verifier.check_account(&world, &[]).await;
    assert_eq!(status, Some(1), "{words}");
    assert!(words.contains(&format!("ALTERED sign-up {id}")), "{words}");
    assert!(words.contains("was never sealed"), "{words}");
    world.finish().await;
}

#[tokio::test]
async fn what_is_consented_to_is_e_mail_and_no_other_channel() {
    let world = World::start().await;
    let (_, id) = confirmed(&world, "anna").await;
    let evidence = world.api().all("/accounts/demo/signups").await;
    assert_eq!(evidence[0]["channel"], "email");
    let stated = &certificate(&world, &id).await["entries"][0]["statement"];
    assert_eq!(stated["channel"], "email");
    for other in ["phone", "sms", "post", ""] {
        let read = serde_json::from_value::<rundbrief::sign_up::Channel>(json!(other));
        assert!(read.is_err(), "{other}");
    }
    world.finish().await;
}

#[tokio::test]
async fn a_certificate_can_be_printed_in_two_languages() {
    let world = World::start().await;
    let (anna, id) = confirmed(&world, "anna").await;
    for (language, title) in [
        ("de", "Nachweis der Einwilligung"),
        ("en", "Consent certificate"),
    ] {
        let path = format!("/accounts/demo/signups/{id}/certificate?format=html&lang={language}");
        let page = world.api().get(&path).await.expect(200);
        let text = page.text();
        for part in [title, &anna.email, &format!("<html lang=\"{language}\"")] {
            assert!(text.contains(part), "{part}");
        }
        // No word of the interface stands where a person reads.
        for code in [">signed_up<", ">mailed<", ">confirmed<"] {
            assert!(!text.contains(code), "{code}");
        }
        assert_eq!(page.header("x-content-type-options"), Some("nosniff"));
        assert!(!text.contains("<script"));
    }
    let bad = format!("/accounts/demo/signups/{id}/certificate?format=pdf");
    world.api().get(&bad).await.expect(422);
    world.finish().await;
}
