//! The preference page: what the link in a newsletter opens, and what a fresh one does (P-06).

use local::faults::{Fault, Service};
use serde_json::{Value, json};
use tests::{Answer, Mail, Person, World};

pub(crate) const FORM: &str = "application/x-www-form-urlencoded";

/// A subscriber by double opt-in who got a newsletter; that mail.
pub(crate) async fn reader(world: &World, person: &Person) -> Mail {
    world
        .sign_up("double")
        .email(&person.email)
        .field("first_name", &person.first_name)
        .field("last_name", &person.last_name)
        .from(world.fresh_client())
        .send()
        .await
        .expect_accepted();
    world.drain().await;
    let mail = world.only_mail(&person.email).await;
    world.confirm(&mail).send().await.expect_page(200);
    world.advance("PT11M").await;
    newsletter(world, person).await
}

async fn newsletter(world: &World, person: &Person) -> Mail {
    let api = world.api();
    let template = json!({
        "name": "Mai",
        "subject": "Neues",
        "html": "<p>{{ imprint }} <a href=\"{{ preferences_url }}\">Einstellungen</a> <a href=\"{{ unsubscribe_url }}\">Abmelden</a></p>",
    });
    let made = api.post("/accounts/demo/templates", &template).await;
    let template = made.expect(201).json();
    let campaign = json!({
        "name": "Mai",
        "template": template["id"],
        "lists": ["news"],
        "sender": {"name": "Muster GmbH", "email": "news@muster.example"},
    });
    let made = api.post("/accounts/demo/campaigns", &campaign).await;
    let campaign = made.expect(201).json();
    let id = campaign["id"].as_str().unwrap_or_default();
    let path = format!("/accounts/demo/campaigns/{id}/send");
    api.post(&path, &json!({})).await.expect(202);
    for _ in 0..2 {
        world.run("campaign").await;
        world.drain().await;
        world.advance("PT1M").await;
    }
    let mut mails = world.inbox(&person.email).await;
    mails.retain(|mail| mail.subject == "Neues");
    mails.remove(0)
}

async fn press(world: &World, path: &str, body: &str) -> Answer {
    world.post(path).body(FORM, body).send().await
}

/// Asks for a link to the mailbox; where it leads.
pub(crate) async fn proof(world: &World, mail: &Mail) -> String {
    let path = mail.path("preferences");
    press(world, &path, "").await.expect_page(200);
    world.drain().await;
    let to = mail.to.as_str();
    let mut mails = world.inbox(to).await;
    let last = mails.pop().unwrap_or_else(|| panic!("no mail"));
    assert_eq!(last.header("Auto-Submitted"), ["auto-generated"]);
    assert!(last.header("List-Unsubscribe").is_empty(), "no list mail");
    last.path("preferences")
}

async fn known(world: &World, person: &Person) -> Value {
    let known = world.subscriber(&person.email).await;
    known.unwrap_or(Value::Null)
}

#[tokio::test]
async fn a_link_of_a_newsletter_leaves_lists_and_opens_nothing_else() {
    let world = World::start().await;
    let anna = world.person("anna");
    let mail = reader(&world, &anna).await;
    let path = mail.path("preferences");

    let before = world.stored().await;
    for _ in 0..3 {
        let page = world.get(&path).send().await.expect_page(200).text();
        assert!(
            page.contains("<button") && page.contains("Newsletter"),
            "{page}"
        );
        for private in [&anna.email, &anna.first_name, &anna.last_name] {
            assert!(!page.contains(private.as_str()), "it may be forwarded");
        }
        world.request("HEAD", &path).send().await.expect_page(200);
        world
            .get(&format!("{path}?action=leave_all"))
            .send()
            .await
            .expect_page(200);
    }
    for action in [
        "show",
        "save&last_name=X",
        "export",
        "export_json",
        "portable_csv",
        "portable_json",
        "object",
        "end_tracking",
        "erase&sure=true",
        "nonsense",
    ] {
        let refused = press(&world, &path, &format!("action={action}")).await;
        let page = refused.expect_page(403).text();
        assert!(!page.contains(&anna.email), "{action}");
    }
    // Other links are no preference links, and the other way round.
    for (action, strange) in [
        ("preferences", "unsubscribe"),
        ("unsubscribe", "preferences"),
    ] {
        let other = format!("/{action}/{}", mail.token(strange));
        world.get(&other).send().await.expect_page(404);
        press(&world, &other, "action=leave_all")
            .await
            .expect_page(404);
    }
    let mut forged = path.clone();
    let last = forged.pop();
    forged.push(if last == Some('A') { 'B' } else { 'A' });
    let nowhere = [
        "/preferences/",
        "/preferences/x",
        &path[..path.len() - 4],
        &forged,
    ];
    let unknown = world.get("/preferences/x").send().await.expect_page(404);
    // Each paragraph is spoken in its language (WCAG 2.2, 3.1.2).
    assert!(unknown.text().contains("<p lang=\"en\">This link"));
    for path in nowhere {
        assert_eq!(
            world.get(path).send().await.text(),
            unknown.text(),
            "{path}"
        );
        press(&world, path, "action=leave_all")
            .await
            .expect_page(404);
    }
    world.stored().await.expect_same(&before, "all this");

    for body in [
        "action=leave",
        "action=leave&list=nonsense",
        "action=leave&list=%00",
    ] {
        let page = press(&world, &path, body).await.expect_page(200).text();
        assert!(
            page.contains("role=\"alert\"") || page.contains("role=\"status\""),
            "{body}"
        );
    }
    assert_eq!(known(&world, &anna).await["state"], "active");
    // The period after which nobody knows who left holds whichever way they take.
    let setup = json!({"name": "Abmeldung", "anonymise_days": 30});
    let setup = world
        .api()
        .post("/accounts/demo/unsubscribe-setups", &setup)
        .await
        .expect(201)
        .json();
    let in_force = json!({"unsubscribe_setup": setup["id"]});
    let account = world.api().patch("/accounts/demo", &in_force).await;
    account.expect(200);
    let body = "action=leave&list=news";
    let first = press(&world, &path, body).await.expect_page(200);
    assert!(first.text().contains("keine Newsletter"));
    assert_eq!(known(&world, &anna).await["state"], "unsubscribed");
    assert_eq!(press(&world, &path, body).await.text(), first.text());
    let left = world.api().all("/accounts/demo/unsubscriptions").await;
    assert_eq!(left.len(), 1);
    assert_eq!(left[0]["via"], "preferences");
    assert_eq!(left[0]["setup"], setup["id"]);
    let stored = world.scan_table().await;
    let record = stored.of_kind("unsubscription")[0];
    assert!(record["anonymise_at"].is_string(), "{record}");
    world.finish().await;
}

#[tokio::test]
async fn a_fresh_link_shows_corrects_and_hands_out_what_is_stored() {
    let world = World::start().await;
    let anna = world.person("anna");
    let mail = reader(&world, &anna).await;
    let path = proof(&world, &mail).await;
    world.keep_private("token", &path["/preferences/".len()..]);

    // Who only follows links sees no data.
    for method in ["GET", "HEAD"] {
        let door = world.request(method, &path).send().await.expect_page(200);
        for private in [&anna.email, &anna.first_name, &anna.last_name] {
            assert!(!door.text().contains(private.as_str()), "{method}");
        }
    }
    let page = press(&world, &path, "").await.expect_page(200).text();
    for part in [&anna.email, &anna.first_name, &anna.last_name] {
        assert!(page.contains(part.as_str()), "{part}");
    }
    assert!(!page.contains("<script") && page.contains("<html lang=\"de\">"));

    let hostile =
        "action=save&last_name=%22%3E%3Cscript%3E&email=other%40example.com&customer_number=1";
    let page = press(&world, &path, hostile).await.expect_page(200).text();
    assert!(
        page.contains("gespeichert") && !page.contains("<script"),
        "{page}"
    );
    let subscriber = known(&world, &anna).await;
    assert_eq!(subscriber["last_name"], "\"><script>");
    assert_eq!(
        subscriber["email"],
        anna.email.as_str(),
        "no field of the form"
    );
    assert_eq!(
        subscriber["customer_number"],
        Value::Null,
        "nobody asked for it"
    );
    // What was refused stands there again, and is named with the way to it (WCAG 2.2, 3.3.1).
    let refused = format!(
        "action=save&first_name=%3Ci%3E&last_name={}",
        "x".repeat(501)
    );
    let page = press(&world, &path, &refused).await.expect_page(200).text();
    for part in [
        r##"<a href="#f-last_name">Nachname: ist zu lang</a>"##,
        r#"id="p-last_name""#,
        r#"autocomplete="family-name" aria-invalid="true" aria-describedby="p-last_name""#,
        r#"value="&#60;i&#62;" autocomplete="given-name">"#,
        &"x".repeat(501),
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
    assert!(!page.contains(&anna.first_name), "the old value: {page}");
    let page = press(&world, &path, "action=erase").await.expect_page(200);
    assert!(page.text().contains(r##"<a href="#f-sure">"##), "{page:?}");
    for (body, role) in [
        ("action=save&last_name=a%0Ab".to_owned(), "alert"),
        (
            format!("action=save&last_name={}", "x".repeat(2_000)),
            "alert",
        ),
        ("action=save&first_name=".to_owned(), "status"),
    ] {
        let page = press(&world, &path, &body).await.expect_page(200).text();
        assert!(page.contains(&format!("role=\"{role}\"")), "{page}");
    }
    let subscriber = known(&world, &anna).await;
    assert_eq!(subscriber["last_name"], "\"><script>");
    assert_eq!(subscriber["first_name"], Value::Null, "taken away");

    // Each of these consents is withdrawn alone, and not again.
    world
        .tamper("profile", "tracking_since", "2026-01-01T00:00:00Z")
        .await;
    let given = known(&world, &anna).await;
    assert!(given["tracking_consent_since"].is_string(), "{given}");
    for action in ["end_tracking", "end_profiling", "end_tracking"] {
        let page = press(&world, &path, &format!("action={action}")).await;
        assert!(
            page.expect_page(200)
                .text()
                .contains("Widerruf ist gespeichert")
        );
    }
    let ended = known(&world, &anna).await;
    assert_eq!(ended["tracking_consent_since"], Value::Null);
    for kind in ["withdrawal", "tombstone"] {
        let stored = world.scan_table().await;
        let remembered = stored.of_kind(kind);
        let remembered = remembered
            .iter()
            .any(|one| one["tracking_withdrawn_at"].is_string());
        assert!(remembered, "{kind}");
    }
    let read = press(&world, &path, "action=export").await.expect(200);
    let said = "Einwilligung in Auswertung widerrufen am";
    assert!(read.text().contains(said));
    assert!(read.text().contains("Auskunft über Ihre Daten") && read.text().contains(&anna.email));
    for (action, kind, name) in [
        ("export_json", "application/json", "access.json"),
        ("portable_json", "application/json", "data.json"),
        (
            "portable_csv",
            "text/csv; charset=utf-8; header=present",
            "data.csv",
        ),
    ] {
        let file = press(&world, &path, &format!("action={action}"))
            .await
            .expect(200);
        assert_eq!(file.header("content-type"), Some(kind));
        assert_eq!(file.header("cache-control"), Some("no-store"));
        let disposition = file.header("content-disposition").unwrap_or_default();
        assert!(disposition.starts_with("attachment") && disposition.contains(name));
        assert!(file.text().contains(&anna.email), "{action}");
    }

    let page = press(&world, &path, "action=object")
        .await
        .expect_page(200)
        .text();
    assert!(page.contains("Widerspruch"), "{page}");
    assert_eq!(known(&world, &anna).await["state"], "unsubscribed");
    let stored = world.scan_table().await;
    assert!(stored.of_kind("profile").len() == 1);
    let stored = world.stored().await;
    let tombstones = stored.of_kind("tombstone");
    assert!(
        tombstones
            .iter()
            .any(|one| !one["at"]["objected"].is_null()),
        "{tombstones:?}"
    );
    world.finish().await;
}

#[tokio::test]
async fn a_fresh_link_is_fresh_for_an_hour_and_asked_for_in_vain_it_is_mailed_once() {
    let world = World::start().await;
    let anna = world.person("anna");
    let mail = reader(&world, &anna).await;
    let before = world.inbox(&anna.email).await.len();
    let asked = mail.path("preferences");
    let answers = [
        press(&world, &asked, "").await.expect_page(200).text(),
        press(&world, &asked, "action=proof")
            .await
            .expect_page(200)
            .text(),
        press(&world, &asked, "action=proof")
            .await
            .expect_page(200)
            .text(),
    ];
    assert!(answers.iter().all(|answer| *answer == answers[0]));
    world.drain().await;
    let mails = world.inbox(&anna.email).await;
    assert_eq!(mails.len(), before + 1, "one link for three presses");
    let mailed = mails.last().unwrap();
    let path = mailed.path("preferences");
    let dead = mailed.received_at + jiff::SignedDuration::from_mins(60);

    world
        .set_clock(&(dead - jiff::SignedDuration::from_secs(30)).to_string())
        .await;
    press(&world, &path, "").await.expect_page(200);
    world
        .set_clock(&(dead + jiff::SignedDuration::from_secs(1)).to_string())
        .await;
    let unknown = world
        .get("/preferences/x")
        .send()
        .await
        .expect_page(404)
        .text();
    assert_eq!(
        world.get(&path).send().await.expect_page(404).text(),
        unknown
    );
    for action in ["", "action=erase&sure=true", "action=leave_all"] {
        press(&world, &path, action).await.expect_page(404);
    }
    assert_eq!(known(&world, &anna).await["state"], "active");

    // Five a day, a minute apart: more are not mailed, and the answer does not say so.
    for _ in 0..8 {
        world.advance("PT2M").await;
        assert_eq!(
            press(&world, &asked, "").await.expect_page(200).text(),
            answers[0]
        );
        world.drain().await;
    }
    let links = world.inbox(&anna.email).await;
    let links = links.iter().filter(|mail| mail.subject.contains("Link"));
    assert_eq!(links.count(), 5);
    world.finish().await;
}

#[tokio::test]
async fn who_erases_themselves_is_gone_with_the_answer() {
    let world = World::start().await;
    let [anna, berta] = ["anna", "berta"].map(|name| world.person(name));
    let mail = reader(&world, &anna).await;
    world.subscribe(&berta).await;
    let path = proof(&world, &mail).await;
    for body in [
        "action=erase",
        "action=erase&sure=false",
        "action=erase&sure=",
    ] {
        let page = press(&world, &path, body).await.expect_page(200).text();
        assert!(page.contains("nichts gelöscht"), "{body}");
    }
    let id = known(&world, &anna).await["id"].clone();
    assert!(id.is_string());
    let done = press(&world, &path, "action=erase&sure=true")
        .await
        .expect_page(200);
    assert!(done.text().contains("gelöscht"));
    assert_eq!(known(&world, &anna).await, Value::Null);
    press(&world, &path, "action=erase&sure=true")
        .await
        .expect_page(404);
    world.get(&path).send().await.expect_page(404);
    // The old link still ends list mail, of nobody (M-08).
    press(&world, &mail.path("preferences"), "")
        .await
        .expect_page(200);
    world.unsubscribe(&mail).send().await.expect_page(200);

    world.advance("PT2H").await;
    world.drain().await;
    let erasures = world.api().all("/accounts/demo/erasures").await;
    assert_eq!(erasures.len(), 1);
    assert_eq!(erasures[0]["requested_by"], "person");
    assert_eq!(erasures[0]["state"], "done", "{}", erasures[0]);
    let stored = world.stored().await;
    for private in [&anna.email, &anna.first_name, &anna.last_name] {
        assert!(stored.holding(private).is_empty(), "{private}");
    }
    assert_eq!(known(&world, &berta).await["state"], "active");
    world.finish().await;
}

#[tokio::test]
async fn a_restriction_freezes_data_until_it_is_lifted_and_an_objection_is_absolute() {
    let world = World::start().await;
    let anna = world.person("anna");
    let mail = reader(&world, &anna).await;
    let path = proof(&world, &mail).await;
    let id = known(&world, &anna).await["id"].as_str().map(str::to_owned);
    let one = format!("/accounts/demo/subscribers/{}", id.unwrap_or_default());
    let api = world.api();
    let nothing = json!({});
    for _ in 0..2 {
        let restricted = api
            .post(&format!("{one}/restrict"), &nothing)
            .await
            .expect(200);
        assert_eq!(restricted.json()["state"], "restricted");
    }
    let page = press(&world, &path, "action=save&last_name=Neu")
        .await
        .expect_page(200);
    assert!(page.text().contains("eingeschränkt"));
    assert_eq!(
        known(&world, &anna).await["last_name"],
        anna.last_name.as_str()
    );
    press(&world, &path, "action=export_json").await.expect(200);
    for _ in 0..2 {
        let path = format!("{one}/lift-restriction");
        let lifted = api.post(&path, &nothing).await.expect(200).json();
        assert_eq!(lifted["state"], "active");
    }
    press(&world, &path, "action=save&last_name=Neu")
        .await
        .expect_page(200);
    assert_eq!(known(&world, &anna).await["last_name"], "Neu");

    for _ in 0..2 {
        let objected = api
            .post(&format!("{one}/object"), &nothing)
            .await
            .expect(200)
            .json();
        assert_eq!(objected["state"], "unsubscribed");
    }
    // No import brings back who objected.
    let csv = format!("email\n{}\n", anna.email);
    let import = "/accounts/demo/imports?list=news&source=Messe&legal_basis=consent&consented_on=2026-01-01&proof=x";
    api.call_with("POST", import, Some("text/csv"), csv.into_bytes())
        .await
        .expect(202);
    world.drain().await;
    assert_eq!(known(&world, &anna).await["state"], "unsubscribed");
    let nobody = "/accounts/demo/subscribers/00000000000000000000000000000000";
    for action in ["lift-restriction", "object"] {
        let path = format!("{nobody}/{action}");
        api.post(&path, &nothing)
            .await
            .expect_problem(404, "not_found");
        let unknown = api.post(&format!("{one}/{action}"), &json!({"x": 1})).await;
        unknown.expect(422);
    }
    world.finish().await;
}

#[tokio::test]
async fn a_new_address_takes_over_once_it_is_confirmed_and_stays_linked() {
    let world = World::start().await;
    let [anna, new, other] = ["anna", "annanew", "other"].map(|name| world.person(name));
    let mail = reader(&world, &anna).await;
    let path = proof(&world, &mail).await;
    for body in [
        "action=address",
        "action=address&email=",
        "action=address&email=x%40",
    ] {
        let page = press(&world, &path, body).await.expect_page(200).text();
        assert!(page.contains("keine gültige"), "{body}");
        let leads_there = page.contains(r##"<a href="#f-email">"##);
        let stands_there = page.contains(r#"type="email" value="x@""#);
        assert!(
            leads_there && page.contains(r#"autocomplete="email""#),
            "{page}"
        );
        assert_eq!(stands_there, body.ends_with("%40"), "{page}");
    }
    let client = world.fresh_client();
    let change = |person: &Person| {
        let body = format!("action=address&email={}", person.email.replace('@', "%40"));
        world.post(&path).body(FORM, body).from(client).send()
    };
    let asked = change(&new).await.expect_page(200).text();
    assert!(asked.contains("der neuen Adresse"), "{asked}");
    // The answer does not tell whether an address is known.
    world.subscribe(&other).await;
    assert_eq!(change(&other).await.expect_page(200).text(), asked);
    for _ in 0..2 {
        change(&other).await.expect_page(200);
    }
    let many = world.person("many");
    change(&many).await.expect_page(200);
    change(&many).await.expect_page(429);
    world.drain().await;

    // Until it is confirmed nothing has changed, and the new address is nobody.
    assert_eq!(known(&world, &anna).await["state"], "active");
    assert_eq!(known(&world, &new).await, Value::Null);
    let question = world.only_mail(&new.email).await;
    world.confirm(&question).send().await.expect_page(200);
    let taken = known(&world, &new).await;
    assert_eq!(taken["state"], "active");
    assert_eq!(taken["lists"], json!(["news"]));
    assert_eq!(taken["first_name"], anna.first_name.as_str());
    assert_eq!(taken["last_name"], anna.last_name.as_str());
    let left = known(&world, &anna).await;
    assert_eq!(left["state"], "unsubscribed");
    assert!(!left["deletion_due_at"].is_null(), "{left}");
    let unsubscriptions = world.api().all("/accounts/demo/unsubscriptions").await;
    assert_eq!(unsubscriptions[0]["via"], "address_changed");
    let evidence = world.evidence(&anna.email).await;
    assert_eq!(evidence.len(), 1, "the old evidence is kept");
    // A second press changes nothing.
    world.confirm(&question).send().await.expect_page(200);
    assert_eq!(
        world
            .api()
            .all("/accounts/demo/unsubscriptions")
            .await
            .len(),
        1
    );

    // Linked for access, and for erasure.
    let id = |known: &Value| known["id"].as_str().unwrap().to_owned();
    let one = format!("/accounts/demo/subscribers/{}", id(&taken));
    let export = world
        .api()
        .get(&format!("{one}/export"))
        .await
        .expect(200)
        .json();
    let before = &export["data"]["former_addresses"][0];
    assert_eq!(before["profile"]["address"], anna.email.as_str());
    assert!(!export.to_string().contains(&other.email));
    // Done is only what is done for the address of before, too.
    world.fail_next(Service::Suppression, Fault::Before, 1);
    let erased = world.api().delete(&one).await.expect(202).json();
    let waits = |erasure: &Value, task: &str| {
        let outstanding = erasure["outstanding"].as_array().expect("a list");
        outstanding.iter().any(|one| one == task)
    };
    assert_eq!(erased["live_data_gone_at"], Value::Null);
    assert!(
        waits(&erased, "linked") && !waits(&erased, "ses"),
        "{erased}"
    );
    let proof = |erasure: &Value| {
        let id = erasure.as_str().expect("an id");
        format!("/accounts/demo/erasures/{id}")
    };
    let former = world.api().get(&proof(&erased["linked"][0])).await;
    assert!(waits(&former.expect(200).json(), "ses"));
    world.advance("PT2H").await;
    world.drain().await;
    let done = world.api().get(&proof(&erased["id"])).await;
    let done = done.expect(200).json();
    assert_eq!(done["state"], "done", "{done}");
    assert!(done["former_addresses_erased_at"].is_string());
    let stored = world.stored().await;
    for person in [&anna, &new] {
        assert!(
            stored.holding(&person.email).is_empty(),
            "{}",
            person.first_name
        );
    }
    assert_eq!(known(&world, &other).await["state"], "active");
    world.finish().await;
}

#[tokio::test]
async fn a_change_of_address_that_waits_goes_with_the_person_who_asked_for_it() {
    let world = World::start().await;
    let [anna, new] = ["anna", "annanew"].map(|name| world.person(name));
    let mail = reader(&world, &anna).await;
    let path = proof(&world, &mail).await;
    let body = format!("action=address&email={}", new.email.replace('@', "%40"));
    press(&world, &path, &body).await.expect_page(200);
    world.drain().await;

    // Whoever owns that mailbox reads what it is, and nothing of whom.
    let question = world.only_mail(&new.email).await;
    assert!(question.text().contains("keine Anmeldung"));
    assert!(question.text().contains("bestätigen Sie nicht"));
    let link = question.path("confirm");
    let page = world.get(&link).send().await.expect_page(200).text();
    assert!(page.contains("Daten einer anderen Person"), "{page}");
    for private in [&anna.email, &anna.first_name, &anna.last_name] {
        assert!(!question.text().contains(private.as_str()), "{private}");
        assert!(!page.contains(private.as_str()), "{private}");
    }
    // What waits is a copy of nothing, and claims nothing that nobody said.
    let stored = world.scan_table().await;
    let waits = stored.holding(&new.email);
    assert_eq!(waits.len(), 1, "{waits:#?}");
    assert!(!waits[0].to_string().contains(&anna.first_name));
    for unasked in ["tracking_consent", "profiling_consent", "age_confirmed"] {
        assert!(waits[0][unasked].is_null(), "{unasked}");
    }
    assert_eq!(stored.of_kind("address_change").len(), 1);
    let export = press(&world, &path, "action=export_json").await;
    let export = export.expect(200).json();
    let asked = &export["data"]["address_changes"][0];
    assert_eq!(asked["email"], new.email.as_str());

    press(&world, &path, "action=erase&sure=true")
        .await
        .expect_page(200);
    // Before the clean-up and after it, and for who only looks, too.
    world.confirm(&question).send().await.expect_page(404);
    world.get(&link).send().await.expect_page(404);
    world.advance("PT2H").await;
    world.drain().await;
    world.confirm(&question).send().await.expect_page(404);
    assert_eq!(known(&world, &new).await, Value::Null);
    let stored = world.scan_table().await;
    for private in [&new.email, &anna.email, &anna.first_name, &anna.last_name] {
        assert!(stored.holding(private).is_empty(), "{private}");
    }
    assert!(stored.of_kind("address_change").is_empty());
    world.finish().await;
}
