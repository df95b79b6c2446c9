//! What our form asks beyond the fields: each consent on its own, the age, a birthday, a language.

use serde_json::{Value, json};
use tests::World;

use super::{SETUPS, made};

async fn posted(
    world: &World,
    setup: &str,
    name: &str,
    pairs: &[(&str, &str)],
) -> tests::answer::Answer {
    let person = world.person(name);
    let mut form = world.sign_up(setup).email(&person.email).accept_json();
    for (name, value) in pairs {
        form = form.field(name, value);
    }
    form.from(world.fresh_client()).send().await
}

fn refusal(answer: &tests::answer::Answer) -> Vec<Value> {
    answer.json()["errors"]
        .as_array()
        .cloned()
        .unwrap_or_default()
}

#[tokio::test]
async fn each_consent_is_a_box_of_its_own_and_no_answer_is_none() {
    let world = World::start().await;
    let api = world.api();
    for list in ["aktionen", "termine"] {
        let body = json!({"id": list, "name": list});
        api.post("/accounts/demo/lists", &body).await.expect(201);
    }
    let golf = json!({"id": "golf", "name": "Golf spielen"});
    api.post("/accounts/demo/interests", &golf)
        .await
        .expect(201);
    let asked = json!({
        "lists": ["news", "aktionen", "termine"], "interests": ["golf"],
        "asks_tracking_consent": true, "asks_profiling_consent": true,
    });
    let setup = made(&world, &asked).await;
    let page = world.get(&format!("/signup/demo/{setup}")).send().await;
    let page = page.expect_page(200).text();
    for (name, times) in [
        ("name=\"list\" value=\"", 4),
        ("type=\"checkbox\" name=\"list\"", 3),
        ("type=\"checkbox\" name=\"interest\"", 1),
        ("type=\"checkbox\" name=\"tracking_consent\"", 1),
        ("type=\"checkbox\" name=\"profiling_consent\"", 1),
        ("checked", 0),
        ("<legend>", 4),
        ("<fieldset", 4),
        ("Golf spielen", 1),
    ] {
        assert_eq!(page.matches(name).count(), times, "{name}: {page}");
    }

    // Our form with nothing ticked asks for nothing; a form without boxes for everything.
    let nothing = posted(&world, &setup, "nothing", &[("list", "")])
        .await
        .expect(422);
    assert_eq!(
        refusal(&nothing),
        [json!({"field": "list", "code": "missing"})]
    );
    let address = world.person("nothing").email;
    let form = world.sign_up(&setup).email(&address);
    let form = form.field("list", "").field("tracking_consent", "true");
    let again = form.send().await.expect_page(422).text();
    assert!(
        again.contains("href=\"#f-list\"") && again.contains("id=\"p-list\""),
        "{again}"
    );
    // What was typed stands there again; what was ticked does not (L-10).
    assert!(again.contains(&format!("value=\"{address}\"")), "{again}");
    assert!(
        again.contains("Häkchen") && !again.contains("checked"),
        "{again}"
    );
    for (name, pairs, lists, tracking, profiling) in [
        ("all", &[][..], 3, false, false),
        ("one", &[("list", ""), ("list", "news")], 1, false, false),
        (
            "both",
            &[("tracking_consent", "true"), ("profiling_consent", "on")],
            3,
            true,
            true,
        ),
        (
            "profiled",
            &[("profiling_consent", "true"), ("tracking_consent", "0")],
            3,
            false,
            true,
        ),
    ] {
        posted(&world, &setup, name, pairs).await.expect_accepted();
        world.drain().await;
        let person = world.person(name);
        let evidence = world.evidence(&person.email).await.remove(0);
        assert_eq!(evidence["lists"].as_array().unwrap().len(), lists, "{name}");
        // True whichever were chosen: it claims no list that was not.
        let wording = evidence["consent_wording"].as_str().unwrap();
        assert!(wording.contains("was ich ausgewählt habe"), "{wording}");
        assert_eq!(evidence["tracking_consent"], tracking, "{name}");
        assert_eq!(evidence["profiling_consent"], profiling, "{name}");
        // The words of each box are what was shown, and stay in the proof (L-09).
        let id = evidence["id"].as_str().unwrap();
        let path = format!("/accounts/demo/signups/{id}/certificate");
        let proof = api.get(&path).await.expect(200).json();
        let form = proof["documents"].as_array().unwrap().iter();
        let mut form = form.filter(|one| one["sha256"] == evidence["form_version"]);
        let form = form.next().expect("the form")["text"].as_str().unwrap();
        for words in ["ausgewertet wird, ob ich", "nach meinen Angaben"] {
            assert!(form.contains(words), "{form}");
        }
        let mail = world.only_mail(&person.email).await;
        world.confirm(&mail).send().await.expect_page(200);
        let subscriber = world.subscriber(&person.email).await.unwrap();
        assert_eq!(
            subscriber["tracking_consent_since"].is_string(),
            tracking,
            "{name}"
        );
        assert_eq!(
            subscriber["profiling_consent_since"].is_string(),
            profiling,
            "{name}"
        );
        let id = subscriber["id"].as_str().unwrap();
        let export = api
            .get(&format!("/accounts/demo/subscribers/{id}/export"))
            .await;
        let data = export.expect(200).json()["data"].take();
        assert_eq!(
            data["profile"]["profiling_since"].is_string(),
            profiling,
            "{name}"
        );
        assert_eq!(
            data["sign_ups"][0]["profiling_consent"], profiling,
            "{name}"
        );
    }
    for (pairs, code) in [
        (&[("profiling_consent", "vielleicht")][..], "invalid"),
        (
            &[("profiling_consent", "1"), ("profiling_consent", "0")],
            "too_many",
        ),
    ] {
        let answer = posted(&world, &setup, "bad", pairs).await.expect(422);
        assert_eq!(refusal(&answer)[0]["code"], code);
    }
    // Who is not asked cannot have agreed.
    let answer = posted(&world, "double", "bad", &[("profiling_consent", "true")]).await;
    let expected = json!({"field": "profiling_consent", "code": "not_asked"});
    assert_eq!(refusal(&answer.expect(422)), [expected]);
    world.finish().await;
}

#[tokio::test]
async fn minors_confirm_their_age_and_nothing_else_of_it_is_kept() {
    let world = World::start().await;
    let asked = json!({"addresses_minors": true, "minimum_age": 14, "mode": "double"});
    let setup = made(&world, &asked).await;
    let page = world.get(&format!("/signup/demo/{setup}")).send().await;
    let page = page.expect_page(200).text();
    assert!(page.contains("Ich bin mindestens 14 Jahre alt."), "{page}");
    assert!(!page.contains("checked"), "{page}");
    for pairs in [
        &[][..],
        &[("age_confirmed", "")],
        &[("age_confirmed", "false")],
        &[("age_confirmed", "14")],
    ] {
        let answer = posted(&world, &setup, "anna", pairs).await.expect(422);
        assert_eq!(refusal(&answer)[0]["field"], "age_confirmed", "{pairs:?}");
    }
    let before = world.stored().await;
    assert!(before.of_kind("sign_up").is_empty(), "nothing was stored");
    posted(&world, &setup, "anna", &[("age_confirmed", "true")])
        .await
        .expect_accepted();
    world.drain().await;
    let anna = world.person("anna");
    let evidence = world.evidence(&anna.email).await.remove(0);
    assert_eq!(evidence["age_confirmed"], true);
    let keys: Vec<&Value> = evidence["fields"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["key"])
        .collect();
    assert_eq!(keys, ["email"], "no age, no birth date");
    // Where it is not asked it is a name like any other.
    posted(&world, "double", "berta", &[("age_confirmed", "true")])
        .await
        .expect_accepted();
    world.drain().await;
    let berta = world.evidence(&world.person("berta").email).await.remove(0);
    assert_eq!(berta["age_confirmed"], Value::Null);
    world.finish().await;
}

#[tokio::test]
async fn a_birthday_comes_without_its_year_and_stays_so() {
    let world = World::start().await;
    let asked = json!({"fields": [
        {"key": "email", "required": true, "purpose": "Zum Versand"},
        {"key": "date_of_birth", "purpose": "Ein Gruß", "without_year": true},
    ]});
    let setup = made(&world, &asked).await;
    let api = world.api();
    let known = api
        .get(&format!("{SETUPS}/{setup}"))
        .await
        .expect(200)
        .json();
    assert_eq!(
        known["fields"],
        json!([
            {"key": "email", "required": true, "purpose": "Zum Versand"},
            {"key": "date_of_birth", "required": false, "purpose": "Ein Gruß", "without_year": true},
        ])
    );
    let page = world.get(&format!("/signup/demo/{setup}")).send().await;
    let page = page.expect_page(200).text();
    for part in ["Zum Versand", "Ein Gruß", "Geburtsdatum (MM-TT)"] {
        assert_eq!(page.matches(part).count(), 1, "{part}: {page}");
    }
    // Browsers would fill in a whole date of birth.
    assert!(!page.contains("autocomplete=\"bday\""), "{page}");
    for bad in ["1990-02-28", "02-30", "13-01", "2-9", "0229", "--02-29"] {
        let answer = posted(&world, &setup, "anna", &[("date_of_birth", bad)]).await;
        assert_eq!(refusal(&answer.expect(422))[0]["code"], "invalid", "{bad}");
    }
    posted(&world, &setup, "anna", &[("date_of_birth", "02-29")])
        .await
        .expect_accepted();
    world.drain().await;
    let anna = world.person("anna");
    let mail = world.only_mail(&anna.email).await;
    world.confirm(&mail).send().await.expect_page(200);
    let subscriber = world.subscriber(&anna.email).await.unwrap();
    assert_eq!(subscriber["date_of_birth"], "02-29");
    let path = format!(
        "/accounts/demo/subscribers/{}",
        subscriber["id"].as_str().unwrap()
    );
    for (sent, status) in [("02-29", 200), ("1990-12-31", 200), ("31.12.", 422)] {
        let change = json!({"date_of_birth": sent});
        api.patch(&path, &change).await.expect(status);
    }
    // Not in what is sent along with a mail.
    assert!(!mail.raw.contains("02-29") && !mail.tags.to_string().contains("02-29"));
    world.finish().await;
}

#[tokio::test]
async fn a_form_speaks_the_language_that_is_asked_for_and_so_does_what_follows() {
    let world = World::start().await;
    let page = world.get("/signup/demo/double?lang=en").send().await;
    let page = page.expect_page(200).text();
    assert!(page.contains("<html lang=\"en\">") && page.contains("First name"));
    assert!(page.contains("name=\"_lang\" value=\"en\""), "{page}");
    for other in [
        "/signup/demo/double",
        "/signup/demo/double?lang=fr",
        "/signup/demo/double?lang=de",
    ] {
        let page = world.get(other).send().await.expect_page(200).text();
        assert!(
            page.contains("<html lang=\"de\">") && !page.contains("_lang"),
            "{other}"
        );
    }
    let (anna, berta) = (world.person("anna"), world.person("berta"));
    for (person, language) in [(&anna, "en"), (&berta, "fr")] {
        let form = world.sign_up("double").email(&person.email);
        let answer = form.field("_lang", language).send().await.expect_accepted();
        let location = answer.header("location").unwrap().to_owned();
        assert_eq!(
            location.ends_with("?accepted&lang=en"),
            language == "en",
            "{location}"
        );
    }
    world.drain().await;
    let mail = world.only_mail(&anna.email).await;
    assert!(
        mail.subject.starts_with("Please confirm"),
        "{}",
        mail.subject
    );
    let evidence = world.evidence(&anna.email).await.remove(0);
    assert_eq!(evidence["language"], "en");
    assert!(
        evidence["consent_wording"]
            .as_str()
            .unwrap()
            .starts_with("I would like")
    );
    let german = world.evidence(&berta.email).await.remove(0);
    assert_eq!(german["language"], "de");
    for (one, lang) in [(&evidence, "en"), (&german, "de")] {
        let version = one["notice_version"].as_str().unwrap();
        let page = world.get(&format!("/notice/demo/{version}")).send().await;
        let page = page.expect_page(200).text();
        assert!(page.contains(&format!("<html lang=\"{lang}\">")), "{page}");
    }
    // Words of the controller's own are there in one language: nobody agrees to them in another.
    let own = made(&world, &json!({"consent_wording": "Ja, ich will."})).await;
    let page = world
        .get(&format!("/signup/demo/{own}?lang=en"))
        .send()
        .await;
    let page = page.expect_page(200).text();
    assert!(
        page.contains("<html lang=\"de\">") && !page.contains("_lang"),
        "{page}"
    );
    let clara = world.person("clara");
    let form = world.sign_up(&own).email(&clara.email);
    form.field("_lang", "en").send().await.expect_accepted();
    world.drain().await;
    let evidence = world.evidence(&clara.email).await.remove(0);
    assert_eq!(evidence["language"], "de");
    assert_eq!(evidence["consent_wording"], "Ja, ich will.");
    world.finish().await;
}
