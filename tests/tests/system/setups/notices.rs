//! The privacy notice (Art. 13 GDPR): every element, versions that stay, the one in force in the
//! evidence.

use serde_json::{Value, json};
use tests::World;

use super::{SETUPS, errors, made, with};

const NOTICES: &str = "/accounts/demo/notices";
const ELEMENTS: [&str; 8] = [
    "controller",
    "purposes",
    "recipients",
    "transfers",
    "storage",
    "rights",
    "withdrawal",
    "complaint",
];

fn notice() -> Value {
    let mut notice = json!({"name": "Fassung 1", "language": "de"});
    for element in ELEMENTS {
        notice[element] = json!(format!("Das steht unter {element}.\nUnd mehr <b>dazu</b>."));
    }
    notice
}

#[tokio::test]
async fn a_version_lacks_no_element_never_changes_and_can_be_read_by_everybody() {
    let world = World::start().await;
    let api = world.api();
    for element in ELEMENTS {
        for (bad, code) in [
            (json!(null), "missing"),
            (json!(" \n "), "empty"),
            (json!(7), "not_a_string"),
            (json!("x".repeat(5_001)), "too_long"),
            (json!("a\u{0}b"), "control_character"),
        ] {
            let mut sent = notice();
            sent[element] = bad;
            let answer = api
                .post(NOTICES, &sent)
                .await
                .expect_problem(422, "invalid");
            assert_eq!(errors(&answer), [(element.to_owned(), code.to_owned())]);
        }
    }
    let answer = api.post(NOTICES, &json!({})).await.expect(422);
    assert_eq!(errors(&answer).len(), 10, "elements, name and language");
    for (member, bad) in [
        ("language", json!("fr")),
        ("url", json!("javascript:alert(1)")),
        ("colour", json!("red")),
    ] {
        let mut sent = notice();
        sent[member] = bad;
        let answer = api.post(NOTICES, &sent).await.expect(422);
        assert_eq!(errors(&answer)[0].0, member);
    }

    let first = api.post(NOTICES, &notice()).await.expect(201);
    let version = first.json()["version"].as_str().unwrap().to_owned();
    assert_eq!(version.len(), 64);
    let one = format!("{NOTICES}/{version}");
    assert_eq!(
        first.header("location"),
        Some(format!("/api/v1{one}").as_str())
    );
    // The same words are the same version.
    let again = api.post(NOTICES, &notice()).await.expect(200);
    assert_eq!(again.json(), first.json());
    let mut other = notice();
    other["storage"] = json!("Anders.");
    let other = api.post(NOTICES, &other).await.expect(201).json();
    assert_ne!(other["version"], first.json()["version"]);
    assert_eq!(api.get(&one).await.expect(200).json(), first.json());
    assert_eq!(api.all(&format!("{NOTICES}?limit=1")).await.len(), 2);
    for method in ["PUT", "PATCH", "DELETE"] {
        api.call(method, &one, Some(&notice())).await.expect(405);
    }
    for unknown in ["0".repeat(64), version.to_uppercase(), "x".to_owned()] {
        api.get(&format!("{NOTICES}/{unknown}")).await.expect(404);
        let page = world.get(&format!("/notice/demo/{unknown}")).send().await;
        page.expect_page(404);
    }
    let readers = world.api_with_key("rbk_demo.nobody.nothing");
    readers.get(NOTICES).await.expect(401);

    let path = format!("/notice/demo/{version}");
    let page = world.get(&path).send().await.expect_page(200).text();
    assert!(page.contains("<html lang=\"de\">") && page.contains(&version));
    for element in ELEMENTS {
        assert!(
            page.contains(&format!("Das steht unter {element}.")),
            "{element}"
        );
    }
    assert!(
        page.contains("&#60;b&#62;") && !page.contains("<b>"),
        "{page}"
    );
    let as_json = world.get(&path).header("accept", "application/json");
    assert_eq!(
        as_json.send().await.expect(200).json()["version"],
        version.as_str()
    );
    world.request("POST", &path).send().await.expect_page(405);
    // Not in another account, and nothing but notices is shown.
    let elsewhere = json!({"id": "elsewhere", "name": "Anderswo"});
    let platform = world.platform_api();
    platform.post("/accounts", &elsewhere).await.expect(201);
    let page = world
        .get(&format!("/notice/elsewhere/{version}"))
        .send()
        .await;
    page.expect_page(404);
    platform
        .get(&format!("/accounts/elsewhere/notices/{version}"))
        .await
        .expect(404);
    let anna = world.person("anna");
    world.subscribe(&anna).await;
    let evidence = world.evidence(&anna.email).await.remove(0);
    let form = evidence["form_version"].as_str().unwrap();
    let page = world.get(&format!("/notice/demo/{form}")).send().await;
    page.expect_page(404);
    world.finish().await;
}

async fn certificate(world: &World, email: &str) -> Value {
    let evidence = world.evidence(email).await.remove(0);
    let id = evidence["id"].as_str().expect("an id").to_owned();
    let path = format!("/accounts/demo/signups/{id}/certificate");
    let certificate = world.api().get(&path).await.expect(200).json();
    let stated = &certificate["entries"][0]["statement"];
    assert_eq!(stated["notice_version"], evidence["notice_version"]);
    certificate
}

/// The words of the notice that a certificate has.
fn shown(certificate: &Value) -> Value {
    let version = &certificate["entries"][0]["statement"]["notice_version"];
    let documents = certificate["documents"].as_array().expect("documents");
    let document = documents
        .iter()
        .find(|document| document["sha256"] == *version)
        .expect("the notice");
    serde_json::from_str(document["text"].as_str().expect("a text")).expect("JSON")
}

#[tokio::test]
async fn the_notice_that_was_in_force_stays_in_the_evidence_whatever_comes_after_it() {
    let world = World::start().await;
    let api = world.api();
    let (anna, berta, clara) = (
        world.person("anna"),
        world.person("berta"),
        world.person("clara"),
    );
    let double = format!("{SETUPS}/double");
    let before = api.get(&double).await.expect(200).json();
    assert_eq!(before["notice_version"], Value::Null);
    // The form leads to it before anybody signs up.
    let form = world
        .get("/signup/demo/double")
        .send()
        .await
        .expect_page(200);
    let page = format!(
        "/notice/demo/{}",
        before["notice_in_force"].as_str().unwrap()
    );
    assert!(form.text().contains(&format!("href=\"{page}\"")));
    assert!(before["notice_url"].as_str().unwrap().ends_with(&page));
    let first = world.get(&page).send().await.expect_page(200);
    assert!(first.text().contains("Mustergasse 1"));
    world.subscribe(&anna).await;

    api.patch(
        "/accounts/demo",
        &json!({"imprint": "Neugasse 2, 1020 Wien"}),
    )
    .await
    .expect(200);
    let after = api.get(&double).await.expect(200).json();
    assert_ne!(after["notice_in_force"], before["notice_in_force"]);
    world.subscribe(&berta).await;

    let mut setup = after.clone();
    let english = json!({"name": "English", "language": "en"});
    let mut english_notice = notice();
    english_notice["language"] = english["language"].clone();
    let english = api.post(NOTICES, &english_notice).await.expect(201).json();
    setup["notice_version"] = english["version"].clone();
    let refused = api.put(&double, &setup).await.expect(422);
    let expected = ("notice_version".to_owned(), "other_language".to_owned());
    assert_eq!(errors(&refused), [expected]);
    for nowhere in [
        json!("0".repeat(64)),
        json!("1.0"),
        before["notice_in_force"].clone(),
    ] {
        setup["notice_version"] = nowhere;
        let refused = api.put(&double, &setup).await.expect(422);
        let expected = ("notice_version".to_owned(), "unknown".to_owned());
        assert_eq!(errors(&refused), [expected]);
    }
    let named = api.post(NOTICES, &notice()).await.expect(201).json();
    setup["notice_version"] = named["version"].clone();
    let changed = api.put(&double, &setup).await.expect(200).json();
    assert_eq!(changed["notice_in_force"], named["version"]);
    world.subscribe(&clara).await;

    for (person, version, words) in [
        (&anna, &before["notice_in_force"], "Mustergasse 1"),
        (&berta, &after["notice_in_force"], "Neugasse 2"),
        (&clara, &named["version"], "Das steht unter controller."),
    ] {
        let evidence = world.evidence(&person.email).await.remove(0);
        assert_eq!(evidence["notice_version"], *version);
        let notice = shown(&certificate(&world, &person.email).await);
        assert_eq!(notice["elements"].as_object().unwrap().len(), 8);
        let controller = notice["elements"]["controller"].as_str().unwrap();
        assert!(controller.contains(words), "{controller}");
    }
    // The page that was shown to Anna is still the one that she saw.
    world.skip(jiff::SignedDuration::from_hours(400 * 24)).await;
    assert_eq!(world.get(&page).send().await, first);
    world.finish().await;
}

#[tokio::test]
async fn looking_at_form_and_notice_keeps_nothing_and_the_link_works_all_the_same() {
    let world = World::start().await;
    let before = world.stored().await;
    for (form, words) in [
        ("/signup/demo/double", "Verantwortlicher"),
        ("/signup/demo/double?lang=en", "Controller"),
    ] {
        let shown = world.get(form).send().await.expect_page(200).text();
        let link = shown
            .split('"')
            .find(|part| part.starts_with("/notice/"))
            .expect("a link to the notice");
        let notice = world.get(link).send().await.expect_page(200).text();
        assert!(notice.contains(words), "{notice}");
        for looked_at in [form, link] {
            let head = world.request("HEAD", looked_at).send().await.expect(200);
            assert_eq!(head.text(), "");
        }
        let as_json = world.get(link).header("accept", "application/json");
        let version = as_json.send().await.expect(200).json()["version"].clone();
        assert!(link.ends_with(version.as_str().expect("a version")));
    }
    let what = "looking at forms and notices";
    world.stored().await.expect_same(&before, what);
    world.finish().await;
}

#[tokio::test]
async fn a_notice_of_the_controllers_own_says_whom_to_turn_to() {
    let world = World::start().await;
    let api = world.api();
    let named = api.post(NOTICES, &notice()).await.expect(201).json();
    let id = made(&world, &json!({"notice_version": named["version"]})).await;
    let nothing = json!({"contact": "", "privacy_url": ""});
    api.patch("/accounts/demo", &nothing).await.expect(200);
    let own = api.get(&format!("{SETUPS}/{id}")).await.expect(200).json();
    assert_eq!(
        (&own["state"], &own["missing"]),
        (&json!("published"), &json!([]))
    );
    let derived = api
        .get(&format!("{SETUPS}/double"))
        .await
        .expect(200)
        .json();
    assert_eq!(derived["missing"], json!(["privacy_url", "contact"]));
    let refused = api
        .post(SETUPS, &with(&json!({"state": "published"})))
        .await;
    assert_eq!(errors(&refused.expect(422)).len(), 2);
    world.finish().await;
}
