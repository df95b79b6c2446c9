//! The record of processing: filled from configuration, flagged where it is not; and what the
//! DPIA questionnaire changes. Whether it is true to the template is `drift`'s part.
//!
//! What the answers come to is tested in `shared`.

mod drift;

use rundbrief::processing::Question;
use serde_json::{Value, json};
use tests::api::Api;
use tests::{Answer, World};

const DEMO: &str = "/accounts/demo";

/// Every heading of the German record, in the order of the Austrian sample.
const HEADINGS: [&str; 13] = [
    "Verantwortlicher",
    "Name, Beschreibung und Zweck der Verarbeitung",
    "Betroffene Personen",
    "Datenkategorien",
    "Rechtsgrundlagen",
    "Empfänger",
    "Übermittlung in Drittländer und Garantien",
    "Ort, Dauer und Frist der Speicherung",
    "Felder des Einwilligungsnachweises",
    "Technische und organisatorische Maßnahmen",
    "Umgebung: Vertraulichkeit und Schulung",
    "Risikobewertung",
    "Rechte der betroffenen Personen",
];

/// What a fresh account has to complete, in the order of the document.
const TO_COMPLETE: [&str; 9] = [
    "office.address",
    "office.email",
    "office.phone",
    "representative",
    "dpo",
    "description",
    "measures",
    "staff",
    "dpia",
];

fn answers(yes: &[Question]) -> Value {
    let answer = |question: &Question| (question.key().to_owned(), json!(yes.contains(question)));
    Question::ALL.iter().map(answer).collect()
}

async fn record(api: &Api<'_>, account: &str, query: &str) -> Answer {
    api.get(&format!("{account}/record{query}")).await
}

/// A new account's path and key.
async fn account(world: &World) -> (String, String) {
    let named = json!({"name": "Verein Frisch"});
    let made = world.platform_api().post("/accounts", &named).await;
    let made = made.expect(201).json();
    let path = format!("/accounts/{}", made["id"].as_str().expect("an id"));
    (path, made["key"].as_str().expect("a key").to_owned())
}

fn paths(document: &Value, by: &str) -> Vec<String> {
    let missing = document["missing"].as_array().expect("missing");
    let of = missing.iter().filter(|one| one["by"] == by);
    of.map(|one| one["path"].as_str().expect("a path").to_owned())
        .collect()
}

#[tokio::test]
async fn the_german_page_has_every_heading_of_the_sample_filled_from_configuration() {
    let world = World::start().await;
    let api = world.api();
    let field = json!({"key": "tier", "label": "Haustier"});
    api.post(&format!("{DEMO}/fields"), &field)
        .await
        .expect(201);
    let page = record(&api, DEMO, "").await.expect_page(200).text();
    assert!(page.contains("<html lang=\"de\">"));
    assert!(page.contains("vom Verantwortlichen zu vervollständigen"));
    let mut at = 0;
    for (number, heading) in HEADINGS.iter().enumerate() {
        let heading = format!(">{}. {heading}</h2>", number + 1);
        let found = page[at..].find(&heading);
        at += found.unwrap_or_else(|| panic!("{heading} is missing or out of order"));
    }
    for filled in [
        // The controller and the processor.
        "Muster GmbH",
        "office@muster.example",
        "Beispiel Plattformbetrieb GmbH (erfunden)",
        "betrieb@plattform.example",
        // S-03 and S-04.
        "Kundenbindungs-, Newsletter- und Mailingprogramm",
        "<dd>Kunden</dd>",
        // Configuration.
        "Newsletter (double)",
        "Haustier (nicht abgefragt)",
        "https://muster.example/datenschutz",
        // The nine fields, by one asked for and one not.
        "<td>Kundennummer</td><td>von einem Anmeldeverfahren abgefragt</td>",
        "<td>Geburtsdatum</td><td>möglich, von keinem Anmeldeverfahren abgefragt</td>",
        // The first and the last of the ten fields of the evidence.
        "a) E-Mail-Adresse",
        "j) Kennung des Empfängers, sobald bestätigt",
        // Recipients and periods.
        "Amazon SES",
        "1 Kalendermonat ab dem Ende der Geschäftsbeziehung",
        "7 Tage (einstellbar bis 14) ab der Anmeldung",
        "täglich und fortlaufend, höchstens 7 Tage zurück",
        "täglich um 04:00 (Europe/Vienna); 14 Tage verfügbar",
        "im Regelfall nicht erforderlich",
        "2026-02-16",
    ] {
        assert!(page.contains(filled), "{filled}");
    }
    let german = record(&api, DEMO, "?format=json").await.expect(200).json();
    assert_eq!(
        (&german["complete"], &german["missing"]),
        (&json!(true), &json!([]))
    );
    let evidence = german["sections"].as_array().expect("sections").iter();
    let evidence = evidence.filter(|section| section["id"] == "evidence");
    let evidence = evidence.flat_map(|section| section["entries"].as_array().expect("entries"));
    let longest = evidence.map(|entry| entry["values"].as_array().expect("values").len());
    assert_eq!(longest.max(), Some(10), "ten fields of evidence (S-12)");
    record(&api, DEMO, "?strict=true").await.expect_page(200);
    world.finish().await;
}

#[tokio::test]
async fn the_demo_accounts_record_reads_as_kept_in_both_languages_and_roles() {
    let world = World::start().await;
    let api = world.api();
    let day = |at: &str| at[..10].to_owned();
    let answered = api.get(&format!("{DEMO}/dpia")).await.expect(200).json();
    let today = record(&api, DEMO, "?format=json").await.expect(200).json();
    let days = [
        today["made_on"].as_str().expect("a day").to_owned(),
        day(answered["answered_at"].as_str().expect("a time")),
    ];
    for (name, query) in [
        ("controller_de", "?lang=de&format=md"),
        ("controller_en", "?lang=en&format=md"),
        ("processor_de", "?lang=de&format=md&role=processor"),
        ("processor_en", "?lang=en&format=md&role=processor"),
    ] {
        let answer = record(&api, DEMO, query).await.expect(200);
        assert_eq!(
            answer.header("content-type"),
            Some("text/markdown; charset=utf-8")
        );
        let mut text = answer.text();
        for day in &days {
            text = text.replace(day, "[day]");
        }
        insta::assert_snapshot!(name, text);
    }
    world.finish().await;
}

#[tokio::test]
async fn a_fresh_accounts_record_renders_with_every_unfilled_field_flagged() {
    let world = World::start().await;
    let (path, key) = account(&world).await;
    let api = world.api_with_key(&key);
    let document = record(&api, &path, "?format=json").await.expect(200).json();
    assert_eq!(document["complete"], false);
    assert_eq!(paths(&document, "controller"), TO_COMPLETE);
    // The operator is the platform's and known already.
    assert_eq!(paths(&document, "operator"), Vec::<String>::new());
    for (query, flag) in [
        (
            "",
            "<mark>[vom Verantwortlichen zu vervollständigen]</mark>",
        ),
        (
            "?lang=en",
            "<mark>[to be completed by the controller]</mark>",
        ),
        (
            "?format=md",
            "**[vom Verantwortlichen zu vervollständigen]**",
        ),
        (
            "?format=md&lang=en",
            "**[to be completed by the controller]**",
        ),
    ] {
        let text = record(&api, &path, query).await.expect(200).text();
        assert_eq!(text.matches(flag).count(), TO_COMPLETE.len(), "{query}");
        for missing in TO_COMPLETE {
            assert!(text.contains(missing), "{query}: {missing}");
        }
        assert!(text.contains("Verein Frisch"), "{query}");
    }
    // S-02: an incomplete record cannot be exported as a complete one.
    let refused = record(&api, &path, "?strict=true").await;
    let refused = refused.expect_problem(422, "invalid").json();
    let fields: Vec<_> = refused["errors"]
        .as_array()
        .expect("errors")
        .iter()
        .collect();
    let named: Vec<_> = fields.iter().map(|one| &one["field"]).collect();
    assert_eq!(named, TO_COMPLETE);
    assert!(fields.iter().all(|one| one["code"] == "to_complete"));
    world.finish().await;
}

#[tokio::test]
async fn what_controller_and_operator_state_stands_in_the_record() {
    let world = World::start().await;
    let (path, key) = account(&world).await;
    let api = world.api_with_key(&key);
    let place = format!("{path}/processing");
    let fresh = api.get(&place).await.expect(200);
    assert_eq!(fresh.header("etag"), Some("\"0\""));
    assert_eq!(fresh.json()["data_subjects"], json!(["Kunden"]));
    let purpose = "Kundenbindungs-, Newsletter- und Mailingprogramm";
    assert_eq!(fresh.json()["purposes"], json!([purpose]));

    let mut stated = fresh.json();
    stated["data_subjects"] = json!(["Kunden", "Interessenten"]);
    stated["description"] = json!("Vereinspost");
    stated["office"] = json!({"name": "Verein", "address": "Weg 1\n8010 Graz", "email": "verein@frisch.example", "phone": "+43 316 0000"});
    stated["representative"] = json!({"required": false});
    stated["dpo"] = json!({"name": "Frau Beispiel", "email": "dsb@frisch.example"});
    stated["recipients"] = json!([{"name": "Druckerei", "purpose": "Etiketten", "transfer": "Schweiz, Angemessenheitsbeschluss"}]);
    stated["staff"] = json!([{"role": "Obfrau", "access": "alles", "confidentiality_on": "2027-01-04", "trained_on": null}]);
    stated["measures"] = json!(["Schrank | versperrt <b>"]);
    let put = api.put(&place, &stated).await.expect(200);
    assert_eq!(put.header("etag"), Some("\"1\""));
    assert_eq!(
        api.put(&place, &put.json()).await.expect(200).json(),
        put.json()
    );
    let late = world.api_with_key(&key).header("if-match", "\"1\"");
    let late = late.put(&place, &stated).await;
    late.expect_problem(412, "precondition_failed");

    let document = record(&api, &path, "?format=json").await.expect(200).json();
    // Who has a role without a training date has not completed it (S-27).
    assert_eq!(
        paths(&document, "controller"),
        ["staff.0.trained_on", "dpia"]
    );
    let page = record(&api, &path, "?lang=en").await.expect(200).text();
    for filled in [
        // What is the default is worded in English, what is not stays as it was written.
        "<li>Customers</li><li>Interessenten</li>",
        "Weg 1\n8010 Graz",
        "Druckerei: Etiketten",
        "Druckerei: Schweiz, Angemessenheitsbeschluss",
        "<td>2027-01-04</td><td>[to be completed by the controller]</td>",
        "Frau Beispiel, dsb@frisch.example",
    ] {
        assert!(page.contains(filled), "{filled}");
    }
    assert!(!page.contains("versperrt <b>"));
    let text = record(&api, &path, "?format=md").await.expect(200).text();
    assert!(text.contains("Schrank \\| versperrt \\<b\\>"));

    for (member, value, field, code) in [
        ("name", json!(1), "name", "not_a_string"),
        ("purposes", json!([""]), "purposes.0", "empty"),
        ("office", json!({"email": "no address"}), "office.email", ""),
        (
            "office",
            json!({"fax": "1"}),
            "office.fax",
            "unknown_member",
        ),
        ("dpo", json!({}), "dpo.name", "missing"),
        (
            "dpo",
            json!({"required": false, "name": "Doch"}),
            "dpo.required",
            "contradicts_contact",
        ),
        (
            "staff",
            json!([{"role": "A", "trained_on": "2027-02-30"}]),
            "staff.0.trained_on",
            "not_a_date",
        ),
        ("staff", json!([{}]), "staff.0.role", "missing"),
    ] {
        let mut wrong = stated.clone();
        wrong[member] = value;
        let refused = api.put(&place, &wrong).await.expect_problem(422, "invalid");
        let error = &refused.json()["errors"][0];
        assert_eq!(error["field"], field);
        assert!(code.is_empty() || error["code"] == code, "{error}");
    }

    // The operator's part is the platform's alone.
    api.get("/operator")
        .await
        .expect_problem(403, "missing_scope");
    api.put("/operator", &json!({})).await.expect(403);
    let platform = world.platform_api();
    let mut operator = platform.get("/operator").await.expect(200).json();
    operator["office"]["phone"] = json!("");
    operator["sub_processors"] =
        json!([{"name": "Wartung KG", "address": "Weg 2, Linz", "purpose": "Bereitschaft"}]);
    platform.put("/operator", &operator).await.expect(200);
    let document = record(&api, &path, "?format=json&role=processor").await;
    let document = document.expect(200).json();
    assert_eq!(paths(&document, "operator"), ["operator.office.phone"]);
    let text = record(&api, &path, "?format=md&role=processor")
        .await
        .text();
    assert!(text.contains("Wartung KG, Weg 2, Linz: Bereitschaft (ab "));
    assert!(text.contains("kommt hinzu"));
    world.finish().await;
}

#[tokio::test]
async fn controllers_are_told_of_a_new_sub_processor_in_time_to_object() {
    let world = World::start().await;
    let platform = world.platform_api();
    let told = async || {
        let path = format!("{DEMO}/sub-processors");
        world.api().get(&path).await.expect(200).json()
    };
    assert_eq!(told().await["notices"], json!([]));
    let mut operator = platform.get("/operator").await.expect(200).json();
    let tomorrow = world.now().await + jiff::SignedDuration::from_hours(24);
    let tomorrow = tomorrow.strftime("%Y-%m-%d").to_string();
    operator["sub_processors"] = json!([{"name": "Wartung KG", "from": tomorrow}]);
    let refused = platform.put("/operator", &operator).await;
    let refused = refused.expect_problem(422, "invalid").json();
    assert_eq!(
        refused["errors"],
        json!([{"field": "sub_processors.0.from", "code": "too_soon"}])
    );
    operator["sub_processors"][0]["from"] = Value::Null;
    platform.put("/operator", &operator).await.expect(200);
    let from = world.now().await + jiff::SignedDuration::from_hours(30 * 24);
    let from = from.strftime("%Y-%m-%d").to_string();
    let announced = told().await;
    assert_eq!(announced["items"][0]["from"], from);
    assert_eq!(announced["notices"][0]["change"], "added");
    assert_eq!(announced["notices"][0]["from"], from);

    operator["sub_processors"] = json!([{"name": "Wartung KG", "transfer": "USA: SCC"}]);
    let refused = platform.put("/operator", &operator).await;
    let refused = refused.expect_problem(422, "invalid").json();
    assert_eq!(refused["errors"][0]["code"], "new_transfer");
    operator["sub_processors"] = json!([]);
    platform.put("/operator", &operator).await.expect(200);
    let notices = told().await["notices"].take();
    assert_eq!(notices[0]["change"], "removed");
    assert_eq!(notices.as_array().map(Vec::len), Some(2));
    world.finish().await;
}

#[tokio::test]
async fn the_record_is_for_whoever_may_read_the_account_and_in_known_forms_only() {
    let world = World::start().await;
    let (path, key) = account(&world).await;
    for query in ["?lang=fr", "?format=pdf", "?role=auditor", "?strict=yes"] {
        let refused = record(&world.api(), DEMO, query).await;
        refused.expect_problem(422, "invalid");
    }
    let types = [
        ("?format=html", "text/html; charset=utf-8"),
        ("?format=md", "text/markdown; charset=utf-8"),
        ("?format=json", "application/json"),
    ];
    for (query, content_type) in types {
        let answer = record(&world.api(), DEMO, query).await.expect(200);
        assert_eq!(answer.header("content-type"), Some(content_type));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
    }
    record(&world.api_with_key(&key), DEMO, "")
        .await
        .expect(404);
    record(&world.api_with_key(""), &path, "").await.expect(401);
    let narrow = json!({"name": "Senden", "scopes": ["send"]});
    let made = world.api().post(&format!("{DEMO}/keys"), &narrow).await;
    let narrow = made.expect(201).json()["key"]
        .as_str()
        .expect("a key")
        .to_owned();
    for part in ["record", "dpia", "processing"] {
        let answer = world
            .api_with_key(&narrow)
            .get(&format!("{DEMO}/{part}"))
            .await;
        answer.expect_problem(403, "missing_scope");
    }
    world.finish().await;
}

/// A template and a campaign of the account; the campaign's path.
async fn campaign(world: &World, api: &Api<'_>, path: &str) -> String {
    let domains = json!({"sender_domains": ["muster.example"], "imprint": "Verein, Weg 1, Graz"});
    world.platform_api().patch(path, &domains).await.expect(200);
    let id = |made: Answer| {
        made.expect(201).json()["id"]
            .as_str()
            .expect("an id")
            .to_owned()
    };
    let list = id(api
        .post(&format!("{path}/lists"), &json!({"name": "Post"}))
        .await);
    let template = json!({
        "name": "Post", "subject": "Post",
        "html": "<p>Hallo</p><p>{{ imprint }}</p><p><a href=\"{{ unsubscribe_url }}\">Abmelden</a></p>",
    });
    let template = id(api.post(&format!("{path}/templates"), &template).await);
    let campaign = json!({
        "name": "Post", "template": template, "lists": [list],
        "sender": {"name": "Verein", "email": "post@muster.example"},
    });
    let campaign = id(api.post(&format!("{path}/campaigns"), &campaign).await);
    format!("{path}/campaigns/{campaign}")
}

#[tokio::test]
async fn no_campaign_is_sent_until_the_questionnaire_is_answered() {
    let world = World::start().await;
    let (path, key) = account(&world).await;
    let api = world.api_with_key(&key);
    let campaign = campaign(&world, &api, &path).await;
    let later = json!({"scheduled_at": "2040-01-01T10:00:00Z"});
    let place = format!("{path}/dpia");
    let open = api.get(&place).await.expect(200).json();
    assert_eq!(
        (&open["answered"], &open["result"]),
        (&json!(false), &Value::Null)
    );
    assert_eq!(open["answers"]["celebrities"], Value::Null);
    for (action, body) in [("send", json!({})), ("schedule", later.clone())] {
        let refused = api.post(&format!("{campaign}/{action}"), &body).await;
        refused.expect_problem(409, "dpia_unanswered");
    }
    // One question less is not an answer.
    let mut short = answers(&[]);
    short.as_object_mut().expect("answers").remove("minors");
    let refused = api.put(&place, &json!({"answers": short})).await;
    assert_eq!(
        refused.expect(422).json()["errors"][0]["field"],
        "answers.minors"
    );
    api.put(&place, &json!({})).await.expect(422);
    let refused = api.post(&format!("{campaign}/send"), &json!({})).await;
    refused.expect_problem(409, "dpia_unanswered");

    let put = api
        .put(&place, &json!({"answers": answers(&[])}))
        .await
        .expect(200);
    assert_eq!(put.json()["result"], "normally_not_required");
    api.post(&format!("{campaign}/schedule"), &later)
        .await
        .expect(202);
    api.post(&format!("{campaign}/send"), &json!({}))
        .await
        .expect(202);
    // What was answered can be sent back.
    api.put(&place, &put.json()).await.expect(200);
    world.finish().await;
}

#[tokio::test]
async fn a_high_risk_needs_an_assessment_ends_tracking_and_narrows_who_may_export() {
    let world = World::start().await;
    let (path, key) = account(&world).await;
    let api = world.api_with_key(&key);
    let place = format!("{path}/dpia");
    let list = api
        .post(&format!("{path}/lists"), &json!({"name": "Post"}))
        .await;
    let list = list.expect(201).json()["id"].clone();
    let mut setup = json!({
        "name": "Post", "mode": "double", "lists": [list],
        "form_url": "https://frisch.example/post", "asks_tracking_consent": true,
    });
    let made = api
        .post(&format!("{path}/setups"), &setup)
        .await
        .expect(201);
    let tracking = format!(
        "{path}/setups/{}",
        made.json()["id"].as_str().expect("an id")
    );
    api.get(&format!("{path}/backups")).await.expect(200);
    let archive = format!("{path}/backups/none/objects/none");
    api.get(&archive).await.expect(404);

    for (yes, risk) in [(&[Question::Celebrities][..], "normal"), (&[], "high")] {
        let sent = json!({"answers": answers(yes), "risk": risk});
        let refused = api.put(&place, &sent).await.expect_problem(422, "invalid");
        assert_eq!(
            refused.json()["errors"],
            json!([{"field": "reference", "code": "missing"}])
        );
    }
    let high = json!({
        "answers": answers(&[Question::Celebrities]), "risk": "high", "reference": "DSFA 2027/1",
    });
    let refused = api.put(&place, &high).await;
    refused.expect_problem(409, "setups_ask_tracking_consent");
    setup["asks_tracking_consent"] = json!(false);
    api.put(&tracking, &setup).await.expect(200);
    let put = api.put(&place, &high).await.expect(200).json();
    assert_eq!(
        (&put["result"], &put["risk"]),
        (&json!("required"), &json!("high"))
    );
    assert_eq!(put["allows_open_tracking"], false);

    setup["asks_tracking_consent"] = json!(true);
    let refused = api
        .put(&tracking, &setup)
        .await
        .expect_problem(422, "invalid");
    assert_eq!(
        refused.json()["errors"],
        json!([{"field": "asks_tracking_consent", "code": "dpia_high_risk"}])
    );
    let text = record(&api, &path, "?format=md").await.expect(200).text();
    for stands in ["DSFA 2027/1", "hoch: Öffnungen werden nicht erfasst"] {
        assert!(text.contains(stands), "{stands}");
    }

    // The everyday key lets no data out any more, but can make one that does nothing else.
    api.get(&archive).await.expect_problem(403, "missing_scope");
    for (scopes, admitted) in [(&["read", "export"][..], 404), (&["write", "export"], 403)] {
        let wanted = json!({"name": "Auskunft", "scopes": scopes});
        let made = api.post(&format!("{path}/keys"), &wanted).await;
        let made = made.expect(201).json();
        let made = world.api_with_key(made["key"].as_str().expect("a key"));
        made.get(&archive).await.expect(admitted);
    }
    let normal = json!({"answers": answers(&[])});
    api.put(&place, &normal).await.expect(200);
    api.get(&archive).await.expect(404);
    world.finish().await;
}
