//! Whom an account writes to no more: by address, domain or pattern, and by the ECG list.
//!
//! What a pattern means is tested in the domain.

use serde_json::{Value, json};
use tests::World;

const PATH: &str = "/accounts/demo/suppressions";

async fn suppress(world: &World, kind: &str, value: &str) -> Value {
    let body = json!({"kind": kind, "value": value, "note": "wünscht keine Post"});
    let made = world.api().post(PATH, &body).await;
    made.expect(201).json()
}

async fn import(world: &World, basis: &str, addresses: &[&str]) -> (Value, String) {
    let file = format!("email\n{}\n", addresses.join("\n"));
    let query = format!(
        "list=news&source=Messe&legal_basis={basis}&consented_on=2026-03-01&proof=Formular"
    );
    let path = format!("/accounts/demo/imports?{query}");
    let csv = Some("text/csv");
    let api = world.api();
    let taken = api.call_with("POST", &path, csv, file.into()).await;
    let taken = taken.expect(202).json();
    world.drain().await;
    let path = format!(
        "/accounts/demo/imports/{}",
        taken["id"].as_str().expect("an id")
    );
    let ended = api.get(&path).await.expect(200).json();
    let report = api.get(&format!("{path}/report")).await.expect(200).text();
    (ended, report)
}

async fn send(world: &World) -> Value {
    let api = world.api();
    let template = json!({
        "name": "Mai", "subject": "Neues",
        "html": "<p>{{ imprint }}</p><p><a href=\"{{ unsubscribe_url }}\">Abmelden</a></p>",
    });
    let template = api.post("/accounts/demo/templates", &template).await;
    let campaign = json!({
        "name": "Mai", "template": template.expect(201).json()["id"], "lists": ["news"],
        "sender": {"name": "Muster GmbH", "email": "news@muster.example"},
    });
    let campaign = api.post("/accounts/demo/campaigns", &campaign).await;
    let id = campaign.expect(201).json()["id"].clone();
    let path = format!("/accounts/demo/campaigns/{}", id.as_str().expect("an id"));
    api.post(&format!("{path}/send"), &json!({}))
        .await
        .expect(202);
    for _ in 0..5 {
        world.run("campaign").await;
        world.drain().await;
        let report = api.get(&format!("{path}/report")).await.expect(200).json();
        if report["state"] == "finished" {
            return report;
        }
        world.advance("PT1M").await;
    }
    panic!("the campaign did not finish");
}

#[tokio::test]
async fn who_is_suppressed_signs_up_as_anybody_and_gets_no_mail_by_any_way() {
    let world = World::start().await;
    let names = ["anna", "berta", "clara", "dora"];
    let people = names.map(|name| world.person(name));
    let [anna, berta, clara, dora] = &people;
    for person in [anna, berta] {
        world.subscribe(person).await;
    }
    // By address: a subscriber, and somebody nobody knows yet; by pattern: the third.
    let made = suppress(&world, "address", &berta.email.to_uppercase()).await;
    suppress(&world, "address", &clara.email).await;
    let local = dora.email.split('@').next().unwrap();
    suppress(&world, "pattern", &format!("{local}@*")).await;
    let listed = world.api().all(PATH).await;
    assert_eq!(listed.len(), 3);
    let shown = format!("{listed:?}").to_lowercase();
    for person in [berta, clara] {
        assert!(
            !shown.contains(&person.email.to_lowercase()),
            "shown by key only"
        );
    }
    let stored = world.scan_table().await;
    let kept = stored.of_kind("suppression");
    assert_eq!(kept.len(), 3);
    assert!(
        kept.iter()
            .all(|item| !item.to_string().contains(&clara.email))
    );

    // Everybody gets the same answer, whatever the setup; the evidence says what came of it.
    for (setup, state) in [("double", "pending"), ("single", "active")] {
        let emil = world.person(&format!("emil-{setup}"));
        let mut answers = Vec::new();
        for (person, expected) in [(&emil, state), (clara, "suppressed"), (dora, "suppressed")] {
            let sign_up = world.sign_up(setup).email(&person.email).accept_json();
            let answer = sign_up.from(world.fresh_client()).send().await;
            answers.push((answer.status, answer.text()));
            world.drain().await;
            let evidence = world.evidence(&person.email).await;
            assert_eq!(evidence.last().unwrap()["state"], expected, "{setup}");
            world.advance("PT11M").await;
        }
        assert!(answers.iter().all(|answer| *answer == answers[0]));
    }
    for person in [clara, dora] {
        assert!(world.inbox(&person.email).await.is_empty());
        assert_eq!(world.subscriber(&person.email).await, None);
    }

    // No file brings them in.
    let everybody = [berta, clara, dora].map(|person| person.email.as_str());
    let (ended, report) = import(&world, "consent", &everybody).await;
    assert_eq!(
        (&ended["created"], &ended["updated"]),
        (&json!(0), &json!(0))
    );
    assert_eq!(report.matches("skipped,suppressed").count(), 3, "{report}");

    let report = send(&world).await;
    assert_eq!(report["skipped"]["suppressed"], 1, "{report}");
    assert_eq!(
        world.inbox(&berta.email).await.len(),
        1,
        "the confirmation alone"
    );
    assert_eq!(world.inbox(&anna.email).await.len(), 2);

    // Only whoever put it there takes it away.
    let path = format!("{PATH}/{}", made["id"].as_str().unwrap());
    world.api().delete(&path).await.expect(204);
    let report = send(&world).await;
    assert_eq!(report["skipped"].get("suppressed"), None, "{report}");
    assert_eq!(world.inbox(&berta.email).await.len(), 2);
    world.finish().await;
}

#[tokio::test]
async fn a_subscriber_of_a_suppressed_domain_is_skipped_at_the_claim() {
    let world = World::start().await;
    for address in ["a@eins.example", "b@zwei.example"] {
        world.keep_private("an address", address);
    }
    let addresses = ["a@eins.example", "b@zwei.example"];
    let (ended, _) = import(&world, "consent", &addresses).await;
    assert_eq!(ended["created"], 2);
    suppress(&world, "domain", "EINS.example").await;
    let report = send(&world).await;
    assert_eq!(
        (&report["sent"], &report["skipped"]),
        (&json!(1), &json!({"suppressed": 1}))
    );
    assert!(world.inbox("a@eins.example").await.is_empty());
    world.finish().await;
}

#[tokio::test]
async fn suppressions_are_configured_and_bad_ones_are_refused() {
    let world = World::start().await;
    let api = world.api();
    let long = "x".repeat(501);
    for (body, field, code) in [
        (json!({}), "kind", "missing"),
        (json!({"kind": "person", "value": "x"}), "kind", "unknown"),
        (json!({"kind": "domain"}), "value", "missing"),
        (
            json!({"kind": "domain", "value": "a@b.example"}),
            "value",
            "not_a_domain",
        ),
        (
            json!({"kind": "pattern", "value": "*@*"}),
            "value",
            "too_broad",
        ),
        (
            json!({"kind": "pattern", "value": "a@b.example"}),
            "value",
            "without_wildcard",
        ),
        (
            json!({"kind": "address", "value": "nobody"}),
            "value",
            "address_missing_at",
        ),
        (
            json!({"kind": "domain", "value": "b.example", "note": long}),
            "note",
            "too_long",
        ),
    ] {
        let refused = api
            .post(PATH, &body)
            .await
            .expect_problem(422, "invalid")
            .json();
        let errors = refused["errors"].as_array().unwrap();
        let named = |error: &Value| error["field"] == field && error["code"] == code;
        assert!(errors.iter().any(named), "{body}: {refused}");
    }
    for (kind, value) in [
        ("domain", "b.example"),
        ("address", "a@c.example"),
        ("pattern", "x*y@z*"),
    ] {
        let made = suppress(&world, kind, value).await;
        let body = json!({"kind": kind, "value": value.to_uppercase()});
        api.post(PATH, &body).await.expect_problem(409, "conflict");
        let path = format!("{PATH}/{}", made["id"].as_str().unwrap());
        assert_eq!(api.get(&path).await.expect(200).json(), made);
        assert_eq!(
            made["value"],
            if kind == "address" {
                Value::Null
            } else {
                json!(value)
            }
        );
        let mut changed = made.clone();
        changed["note"] = json!("anders");
        assert_eq!(api.put(&path, &changed).await.expect(200).json(), changed);
        changed["value"] = json!("*@other.example");
        api.put(&path, &changed)
            .await
            .expect_problem(422, "invalid");
        api.delete(&path).await.expect(204);
        api.get(&path).await.expect_problem(404, "not_found");
    }
    world.finish().await;
}

/// The SHA-1 digests of two addresses and of a domain with its `@`, in lower case.
const LISTED: &str = "0244cc5774ebef508d1917901f8d2bfdaff93142";
const DOMAIN: &str = "eef90bd6f0975e20b52b8bdf7e021170c2957f1d";
const OLD: &str = "b2dda1b1f1344de7bff9ea278ff1372d609ff449";

fn octets(digests: &[&str]) -> Vec<u8> {
    let hex = digests.concat();
    let pairs = (0..hex.len() / 2).map(|at| &hex[2 * at..2 * at + 2]);
    pairs
        .map(|pair| u8::from_str_radix(pair, 16).expect("hex"))
        .collect()
}

#[tokio::test]
async fn an_ecg_hit_bars_a_soft_opt_in_and_no_consent() {
    let world = World::start().await;
    let addresses = [
        "Listed@Eins.example",
        "any@zwei.example",
        "free@drei.example",
    ];
    for address in addresses {
        world.keep_private("an address", address);
    }
    let api = world.api();
    let path = format!("{PATH}/ecg");
    api.get(&path).await.expect_problem(404, "not_found");
    let upload = async |content_type, file: Vec<u8>| {
        api.call_with("POST", &path, Some(content_type), file).await
    };
    let binary = "application/octet-stream";
    for file in [vec![], vec![0; 19], vec![0; 41]] {
        upload(binary, file).await.expect_problem(422, "invalid");
    }
    upload("text/csv", vec![0; 20])
        .await
        .expect_problem(415, "unsupported_type");
    upload(binary, octets(&[OLD])).await.expect(202);
    let file = octets(&[LISTED, DOMAIN]);
    let listed = upload(binary, file).await.expect(202).json();
    assert_eq!(listed["entries"], 2);
    assert_eq!(api.get(&path).await.expect(200).json(), listed);
    assert_eq!(
        world.scan_table().await.of_kind("ecg_chunk").len(),
        1,
        "the old one is gone"
    );

    let (ended, report) = import(&world, "soft_opt_in_AT_174_4", &addresses).await;
    assert_eq!(
        (&ended["created"], &ended["skipped"]),
        (&json!(1), &json!(2))
    );
    assert_eq!(report.matches("skipped,ecg_listed").count(), 2, "{report}");
    let (ended, _) = import(&world, "consent", &addresses).await;
    assert_eq!(
        (&ended["created"], &ended["updated"]),
        (&json!(2), &json!(1))
    );
    api.delete(&path).await.expect(204);
    assert!(world.scan_table().await.of_kind("ecg_chunk").is_empty());
    api.delete(&path).await.expect_problem(404, "not_found");
    world.finish().await;
}
