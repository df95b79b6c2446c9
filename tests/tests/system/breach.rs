//! The notification of a personal data breach, made from audit log and configuration (L-22); and
//! the report of consents that nobody used for long (L-13).

use serde_json::{Value, json};
use tests::World;

fn incident(world_now: &str) -> Value {
    json!({
        "nature": "Ein Schlüssel der Schnittstelle stand in einem öffentlichen Verzeichnis.",
        "aware_at": world_now,
        "since": "2026-01-01T00:00:00Z",
        "measures": ["Der Schlüssel wurde widerrufen."],
    })
}

const PATH: &str = "/accounts/demo/breach-notification";

fn entries<'a>(document: &'a Value, section: &str) -> Vec<&'a Value> {
    let sections = document["sections"].as_array().expect("sections");
    let found = sections.iter().find(|one| one["id"] == section);
    let found = found.unwrap_or_else(|| panic!("{section}"));
    found["entries"]
        .as_array()
        .expect("entries")
        .iter()
        .collect()
}

#[tokio::test]
async fn the_notification_names_nature_numbers_categories_contact_consequences_measures_and_limits()
{
    let world = World::start().await;
    let anna = world.person("anna");
    world.subscribe(&anna).await;
    let api = world.api();
    let made = api.post("/accounts/demo/backups", &json!({})).await;
    made.expect(202);
    world.drain().await;
    let now = world.now().await.to_string();
    let subscriber = world.subscriber(&anna.email).await.expect("subscribed");
    let id = subscriber["id"].as_str().expect("an id");
    for _ in 0..3 {
        api.get(&format!("/accounts/demo/subscribers/{id}/evidence"))
            .await
            .expect(200);
    }
    let asked = incident(&now);
    let path = format!("{PATH}?format=json&lang=de");
    let document = api.post(&path, &asked).await.expect(200).json();
    let text = document.to_string();
    for section in [
        "deadlines",
        "nature",
        "affected",
        "data_subjects",
        "data",
        "contact",
        "consequences",
        "taken",
        "measures",
        "log",
    ] {
        assert!(!entries(&document, section).is_empty(), "{section}");
    }
    assert!(text.contains("öffentlichen Verzeichnis") && text.contains("widerrufen"));
    assert_eq!(
        entries(&document, "affected")[0]["values"],
        json!(["1"]),
        "one subscriber"
    );
    // 72 hours from now, to the second.
    let made_at: jiff::Timestamp = document["made_at"].as_str().unwrap().parse().unwrap();
    let until = made_at + jiff::SignedDuration::from_hours(72);
    assert!(
        text.contains(&until.strftime("%Y-%m-%dT%H:%M:%S").to_string()),
        "{text}"
    );
    let calls = &entries(&document, "log")[0]["table"]["rows"];
    let read = calls
        .as_array()
        .expect("rows")
        .iter()
        .find(|row| row[1] == "GET /api/v1/accounts/{account}/subscribers/{id}/evidence");
    assert_eq!(read.expect("the reads")[2], "3");
    assert!(text.contains("betrieb@plattform.example"), "whom to ask");
    assert_eq!(document["complete"], true, "{}", document["missing"]);
    // What nobody has said yet is flagged, not invented.
    let mut bare = asked.clone();
    bare["measures"] = json!([]);
    let bare = api.post(&path, &bare).await.expect(200).json();
    assert_eq!(bare["complete"], false);
    assert_eq!(bare["missing"][0]["path"], "measures");
    // Nobody's data, in any form and language.
    for query in [
        "format=html",
        "format=md",
        "format=html&lang=en",
        "format=md&lang=en",
    ] {
        let answer = api
            .post(&format!("{PATH}?{query}"), &asked)
            .await
            .expect(200);
        let text = answer.text();
        assert!(text.contains("72"), "{query}");
        assert_eq!(
            text.contains("undue delay"),
            query.contains("en"),
            "{query}"
        );
        assert!(!text.contains(&anna.email) && !text.contains(&anna.last_name));
    }
    let by_platform = world.platform_api().post(&path, &asked).await;
    by_platform.expect(200);
    world.finish().await;
}

#[tokio::test]
async fn an_incident_that_cannot_have_been_is_refused_and_only_admins_ask() {
    let world = World::start().await;
    let api = world.api();
    let now = world.now().await.to_string();
    for (member, value, field, code) in [
        ("nature", Value::Null, "nature", "missing"),
        ("aware_at", json!("gestern"), "aware_at", "not_an_instant"),
        (
            "aware_at",
            json!("2199-01-01T00:00:00Z"),
            "aware_at",
            "in_the_future",
        ),
        ("since", Value::Null, "since", "missing"),
        (
            "until",
            json!("2025-01-01T00:00:00Z"),
            "until",
            "before_since",
        ),
        ("measures", json!("widerrufen"), "measures", "not_an_array"),
        ("persons", json!([1]), "persons", "unknown_member"),
    ] {
        let mut asked = incident(&now);
        asked[member] = value;
        let answer = api.post(PATH, &asked).await.expect(422).json();
        assert_eq!(answer["errors"][0]["field"], field, "{answer}");
        assert_eq!(answer["errors"][0]["code"], code, "{answer}");
    }
    for query in ["lang=fr", "format=pdf"] {
        let path = format!("{PATH}?{query}");
        api.post(&path, &incident(&now)).await.expect(422);
    }
    let weak = json!({"name": "schwach", "scopes": ["read", "write", "export"]});
    let weak = api
        .post("/accounts/demo/keys", &weak)
        .await
        .expect(201)
        .json();
    let weak = world.api_with_key(weak["key"].as_str().expect("a key"));
    weak.post(PATH, &incident(&now)).await.expect(403);
    world.finish().await;
}

#[tokio::test]
async fn a_consent_that_nobody_used_for_24_months_is_flagged() {
    let world = World::start().await;
    let api = world.api();
    let file = |who: &str, day: &str| {
        let person = world.person(who);
        world.keep_private("an address", &person.email);
        let path = format!(
            "/accounts/demo/imports?list=news&source=Messe&legal_basis=consent&consented_on={day}&proof=Karten"
        );
        (
            path,
            format!("email\n{}\n", person.email).into_bytes(),
            person,
        )
    };
    let now = world.now().await;
    let years_ago = now - jiff::SignedDuration::from_hours(24 * 800);
    let old_day = years_ago.strftime("%Y-%m-%d").to_string();
    let young_day = (now - jiff::SignedDuration::from_hours(24 * 400)).strftime("%Y-%m-%d");
    let mut people = Vec::new();
    for (who, day) in [
        ("alt", old_day.as_str()),
        ("jung", &young_day.to_string()),
        ("fort", &old_day),
    ] {
        let (path, file, person) = file(who, day);
        api.call_with("POST", &path, Some("text/csv"), file)
            .await
            .expect(202);
        world.drain().await;
        people.push(person);
    }
    let gone = world.subscriber(&people[2].email).await.expect("imported");
    let path = format!(
        "/accounts/demo/subscribers/{}/unsubscribe",
        gone["id"].as_str().unwrap()
    );
    api.post(&path, &json!({})).await.expect(200);
    let flagged = async || {
        let found = world.api().all("/accounts/demo/unused-consents").await;
        found
            .iter()
            .map(|one| one["subscriber"].clone())
            .collect::<Vec<_>>()
    };
    let old = world.subscriber(&people[0].email).await.expect("imported");
    let since = old["consented_at"].clone();
    assert_eq!(since, Value::Null, "it stands with the evidence");
    assert_eq!(
        flagged().await,
        [old["id"].clone()],
        "the young one is not, who left is not"
    );
    let page = api.get("/accounts/demo/unused-consents?limit=0").await;
    page.expect(422);
    world.finish().await;
}
