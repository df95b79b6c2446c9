//! The end of an account: nobody is served from its closing on, and a month later nothing is left.
//! What is due one by one is in `retention`.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering::SeqCst};

use functions::app::App;
use functions::retention::{self, Bounds};
use jiff::{SignedDuration, Timestamp};
use rundbrief::account::{Account, ApiKey, DirectoryEntry};
use rundbrief::crypto::{AccountKeyMaterial, PlatformSecrets};
use rundbrief::entropy::SystemEntropy;
use rundbrief::id::{AccountId, KeyId};
use rundbrief::key::Key;
use rundbrief::page_language::Language;
use rundbrief::record::Expect;
use serde_json::{Value, json};
use tests::{Stored, World};

use crate::preferences;

const SHOP: &str = "closing-shop";
const BASE: &str = "/accounts/closing-shop";

/// An account with lists, template and setup; answers with its key.
async fn shop(world: &World) -> String {
    let made = json!({"id": SHOP, "name": "Schluss GmbH"});
    let made = world.platform_api().post("/accounts", &made).await;
    let key = made.expect(201).json()["key"]
        .as_str()
        .expect("a key")
        .to_owned();
    let known = json!({
        "imprint": "Schluss GmbH, Gasse 1, Wien", "sender_domains": ["muster.example"],
    });
    let changed = world.platform_api().patch(BASE, &known).await;
    changed.expect(200);
    let api = world.api_with_key(&key);
    api.state_legal_elements(SHOP).await;
    for (collection, body) in [
        ("lists", json!({"id": "news", "name": "Neues"})),
        (
            "setups",
            json!({
                "id": "double", "name": "Anmeldung", "mode": "double", "lists": ["news"],
                "fields": [], "form_url": "https://schluss.example/",
            }),
        ),
        (
            "templates",
            json!({
                "id": "monthly", "name": "Monatlich", "subject": "Neues",
                "html": "<p>{{ imprint }}</p><p><a href=\"{{ unsubscribe_url }}\">Ab</a> \
                         <a href=\"{{ preferences_url }}\">Daten</a></p>",
            }),
        ),
    ] {
        let made = api.post(&format!("{BASE}/{collection}"), &body).await;
        made.expect(201);
    }
    let place = format!("{BASE}/dpia");
    let mut answers = api.get(&place).await.expect(200).json()["answers"].take();
    for answer in answers.as_object_mut().expect("answers").values_mut() {
        *answer = json!(false);
    }
    let answered = api.put(&place, &json!({"answers": answers})).await;
    answered.expect(200);
    key
}

async fn campaign(api: &tests::api::Api<'_>, id: &str, action: &str, body: &Value) {
    let draft = json!({
        "id": id, "name": id, "template": "monthly", "lists": ["news"],
        "sender": {"name": "Schluss", "email": "news@muster.example"},
    });
    let path = format!("{BASE}/campaigns");
    api.post(&path, &draft).await.expect(201);
    let acted = api.post(&format!("{path}/{id}/{action}"), body).await;
    acted.expect(202);
}

async fn objects(world: &World, kinds: &[&str]) -> usize {
    let clients = world.clients();
    let mut count = 0;
    for kind in kinds {
        let listed = clients
            .s3()
            .list_objects_v2()
            .bucket(world.endpoint("bucket"))
            .prefix(format!("{kind}/{SHOP}/"))
            .send()
            .await;
        let Ok(listed) = listed else {
            panic!("the bucket cannot be listed")
        };
        count += listed.contents().len();
    }
    count
}

/// What persons may ask for is done in a closed account, too: told to the controller, or by
/// themselves with a link to their mailbox. Whoever is known to the other account stays there.
async fn rights_go_on(world: &World, api: &tests::api::Api<'_>, email: &str) {
    let subscribers = api.all(&format!("{BASE}/subscribers")).await;
    let of = |email: &str| {
        let found = subscribers.iter().find(|one| one["email"] == email);
        found.expect("a subscriber")["id"].clone()
    };
    let one = format!("{BASE}/subscribers/{}", of(email).as_str().expect("an id"));
    for action in ["restrict", "object", "unsubscribe"] {
        let done = api.post(&format!("{one}/{action}"), &json!({})).await;
        done.expect(200);
    }
    let lift = format!("{one}/lift-restriction");
    let refused = api.post(&lift, &json!({})).await;
    refused.expect_problem(409, "account_closed");
    api.delete(&one).await.expect(202);
    api.get(&one).await.expect_problem(404, "not_found");

    let imported = "importiert@kunden.example";
    let newsletter = world.only_mail(imported).await;
    let mailbox = preferences::proof(world, &newsletter).await;
    let shown = press(world, &mailbox, "action=show").await.expect_page(200);
    // A new address could not be confirmed any more.
    assert!(!shown.text().contains("Neue Adresse"));
    let refused = press(world, &mailbox, "action=address&email=neu%40kunden.example").await;
    assert!(refused.status >= 400, "{}", refused.status);
    let erased = press(world, &mailbox, "action=erase&sure=true").await;
    erased.expect_page(200);
    let path = format!("{BASE}/subscribers");
    assert_eq!(api.all(&path).await, Vec::<Value>::new());
}

async fn press(world: &World, path: &str, body: &str) -> tests::Answer {
    world.post(path).body(preferences::FORM, body).send().await
}

/// What is kept of the demo account without a term of its own.
fn of_demo(stored: Stored) -> Vec<((String, String, String), Value)> {
    let due = [
        "audit",
        "backup",
        "backup_part",
        "deletion_report",
        "outbox",
    ];
    let stored = stored.without(&due).0.into_iter();
    stored
        .filter(|((_, pk, _), _)| pk.starts_with("A#demo"))
        .collect()
}

#[tokio::test]
async fn a_closed_account_serves_nobody_and_a_month_later_nothing_of_it_is_left() {
    let world = World::start().await;
    let (anna, berta, clara) = (
        world.person("anna"),
        world.person("berta"),
        world.person("clara"),
    );
    world.subscribe(&berta).await;
    let key = shop(&world).await;
    let api = world.api_with_key(&key);
    let mut links = Vec::new();
    for person in [&anna, &clara] {
        let sign_up = world.sign_up_at(SHOP, "double").email(&person.email);
        let sent = sign_up.from(world.fresh_client()).send().await;
        sent.expect_accepted();
        world.drain().await;
        links.push(world.only_mail(&person.email).await);
    }
    let confirmed = world.confirm(&links[0]).send().await;
    confirmed.expect_page(200);
    let file = "email\nimportiert@kunden.example\n";
    world.keep_private("an address", "importiert@kunden.example");
    let query = format!(
        "{BASE}/imports?list=news&source=Messe&legal_basis=consent\
         &consented_on=2026-01-31&proof=Formular"
    );
    let csv = Some("text/csv");
    api.call_with("POST", &query, csv, file.into())
        .await
        .expect(202);
    world.drain().await;
    campaign(&api, "cmp_sent", "send", &json!({})).await;
    world.run("campaign").await;
    world.drain().await;
    let later =
        json!({"scheduled_at": (world.now().await + SignedDuration::from_hours(300)).to_string()});
    campaign(&api, "cmp_planned", "schedule", &later).await;
    let mails = world.inbox(&anna.email).await;
    assert_eq!(mails.len(), 2, "the confirmation and the campaign");
    let left = world.unsubscribe(&mails[1]).send().await;
    left.expect_page(200);
    world.run("backup").await;
    world.drain().await;
    let before = world.scan_table().await;
    let ours = before.holding(SHOP);
    for kind in [
        "account",
        "key",
        "profile",
        "sign_up",
        "tombstone",
        "tombstone_mark",
        "withdrawal",
        "unsubscription",
        "campaign",
        "control",
        "content",
        "arc",
        "entry",
        "import",
        "import_chunk",
        "backup",
        "directory",
    ] {
        assert!(ours.iter().any(|item| item["kind"] == kind), "no {kind}");
    }
    assert!(objects(&world, &["archives"]).await > 3);
    assert_eq!(objects(&world, &["imports"]).await, 1);

    let closed = api.post(&format!("{BASE}/close"), &json!({})).await;
    let closed = closed.expect(202).json();
    let again = api.post(&format!("{BASE}/close"), &json!({})).await;
    assert_eq!(again.expect(202).json(), closed, "the first time counts");
    assert!(closed["closed_at"].is_string() && closed["deletion_due_at"].is_string());
    // Its owner takes along what there is: one last archive, made at once (L-21).
    world.drain().await;
    let export = closed["export"]["backup"].as_str().expect("an archive");
    let archive = api.get(&format!("{BASE}/backups/{export}")).await;
    let archive = archive.expect(200).json();
    assert_eq!(archive["manifest"]["sets"]["subscribers"]["count"], 2);
    let name = "manifest.json";
    let object = format!("{BASE}/backups/{export}/objects/{name}");
    assert!(api.get(&object).await.expect(200).json()["url"].is_string());
    let form = format!("/signup/{SHOP}/double");
    assert_eq!(world.get(&form).send().await.status, 404);
    let late = world
        .sign_up_at(SHOP, "double")
        .email("spät@kunden.example");
    assert_eq!(late.from(world.fresh_client()).send().await.status, 404);
    assert_eq!(world.confirm(&links[1]).send().await.status, 404);
    for action in ["send", "schedule"] {
        let path = format!("{BASE}/campaigns/cmp_planned/{action}");
        let refused = api.post(&path, &json!({})).await;
        refused.expect_problem(409, "account_closed");
    }
    let list = json!({"name": "Neu"});
    for api in [world.api_with_key(&key), world.platform_api()] {
        let refused = api.post(&format!("{BASE}/lists"), &list).await;
        refused.expect_problem(409, "account_closed");
        let refused = api.patch(BASE, &json!({"name": "Neu"})).await;
        refused.expect_problem(409, "account_closed");
        let refused = api.delete(&format!("{BASE}/lists/news")).await;
        refused.expect_problem(409, "account_closed");
        api.get(BASE).await.expect(200);
        api.get(&format!("{BASE}/subscribers")).await.expect(200);
    }
    rights_go_on(&world, &api, &anna.email).await;
    let planned = api.get(&format!("{BASE}/campaigns/cmp_planned")).await;
    assert_eq!(planned.expect(200).json()["state"], "cancelled");
    let more = world.api().post("/accounts/demo/lists", &list).await;
    more.expect(201);

    // A day before the end it is all there still, but no newer archive.
    world.skip(SignedDuration::from_hours(27 * 24)).await;
    world.run("backup").await;
    world.drain().await;
    world.run("retention").await;
    let kept = world.scan_table().await;
    assert_eq!(api.get(BASE).await.status, 200);
    let archives = kept.of_kind("backup");
    assert!(archives.iter().all(|archive| archive["account"] != SHOP));
    let left = objects(&world, &["archives"]).await;
    assert_eq!(left, 0, "its last archive had its two weeks");
    assert!(!kept.holding(SHOP).is_empty());

    world.skip(SignedDuration::from_hours(5 * 24)).await;
    // Nobody gets what is left by taking its name.
    let anew = json!({"id": SHOP, "name": "Neu"});
    let refused = world.platform_api().post("/accounts", &anew).await;
    refused.expect_problem(409, "being_deleted");
    let report = world.run("retention").await;
    assert_eq!(report["failed"], 0, "{report}");
    world.run("retention").await;
    let after = world.scan_table().await;
    // Counters of sign-ups per hour are TTL's part, which does not run here; they count nobody.
    let counts = |item: &&Value| {
        item["pk"]
            .as_str()
            .is_some_and(|pk| pk.starts_with("G#guard#"))
    };
    let (counters, left): (Vec<&Value>, _) = after.holding(SHOP).into_iter().partition(counts);
    // The operator's report, which names the account and nobody in it.
    let left: Vec<&Value> = left
        .into_iter()
        .filter(|item| item["kind"] != "closing_report")
        .collect();
    assert_eq!(left, Vec::<&Value>::new());
    let now = world.now().await.as_second();
    let over = |item: &&Value| item["expires_at"].as_i64().is_some_and(|at| at < now);
    assert!(counters.iter().all(over), "{counters:?}");
    for person in [&anna, &clara] {
        assert_eq!(after.holding(&person.email), Vec::<&Value>::new());
    }
    assert_eq!(api.get(BASE).await.status, 401);
    assert_eq!(world.platform_api().get(BASE).await.status, 404);
    assert_eq!(world.get(&form).send().await.status, 404);
    assert_eq!(
        objects(&world, &["archives", "imports", "exports"]).await,
        0
    );
    // The other account lost nothing.
    assert!(world.subscriber(&berta.email).await.is_some());
    assert_eq!(of_demo(kept), of_demo(after));
    world.drain().await;
    world.finish().await;
}

#[tokio::test]
async fn a_large_account_goes_bit_by_bit_and_its_own_item_last() {
    let world = World::start_with(|options| options.demo = false).await;
    let now: Timestamp = "2027-03-01T10:00:00Z".parse().expect("a time");
    let clock = Arc::new(AtomicI64::new(now.as_millisecond()));
    let read = Arc::clone(&clock);
    let app = App::new(
        world.settings(&[]),
        Arc::new(move || Timestamp::from_millisecond(read.load(SeqCst)).expect("a time")),
        Arc::new(SystemEntropy::new()),
    );
    let secrets = PlatformSecrets::parse(&json!({"1": "x".repeat(64)}).to_string());
    let secrets = secrets.expect("secrets");
    for (id, gone_at) in [("gone", Some(now)), ("stays", None)] {
        let id = AccountId::parse(id).expect("an id");
        let account = Account {
            id: id.clone(),
            rev: 2,
            name: "A".to_owned(),
            imprint: String::new(),
            privacy_url: String::new(),
            language: Language::De,
            time_zone: "Europe/Vienna".to_owned(),
            contact: String::new(),
            sender_domains: Vec::new(),
            key: AccountKeyMaterial::generate(&secrets, app.entropy.as_ref()),
            has_address_rules: false,
            tombstones_marked: false,
            automated_decisions: false,
            audit_months: None,
            created_at: now,
            evidence_years_after_erasure: rundbrief::account::MAX_EVIDENCE_YEARS,
            unsubscribe_setup: None,
            closed_at: gone_at,
            gone_at,
        };
        let entry = DirectoryEntry::new(id.clone());
        let store = &app.store;
        let place = Key::account(&id);
        let put = store.put_at(&place, &account, Expect::Absent, now);
        put.await.expect("stored");
        let place = Key::directory(&id);
        let put = store.put_at(&place, &entry, Expect::Absent, now);
        put.await.expect("stored");
        for number in 0..23 {
            let key = ApiKey {
                id: KeyId::parse(&format!("k{number}")).expect("an id"),
                rev: 1,
                name: String::new(),
                scopes: Vec::new(),
                secret_hash: String::new(),
                created_at: now,
            };
            let place = Key::api_key(&id, &key.id);
            let put = store.put_at(&place, &key, Expect::Absent, now);
            put.await.expect("stored");
        }
    }
    let bounds = Bounds {
        purge: 5,
        ..Bounds::default()
    };
    let mut left = Vec::new();
    loop {
        let report = retention::run(&app, bounds).await.expect("it answers");
        let stored = world.scan_table().await;
        let stored_of_account = stored.clone().without(&["closing_report"]);
        let ours = stored_of_account.holding("gone\"");
        left.push(stored.of_kind("key").len() - 23);
        if report["more"] == json!(false) {
            assert!(ours.is_empty(), "{ours:?}");
            break;
        }
        assert_eq!(stored.of_kind("account").len(), 2, "it goes last");
        // Not by the table's own expiry either, which knows nothing of what is left.
        let of_accounts = stored.of_kind("account");
        assert!(of_accounts.iter().all(|item| item["expires_at"].is_null()));
        assert!(left.len() < 10, "{left:?}");
    }
    assert_eq!(left, [18, 13, 8, 3, 0]);
    let stored = world.scan_table().await;
    assert_eq!(stored.of_kind("key").len(), 23);
    assert_eq!(stored.of_kind("directory").len(), 1);
    // One report over all runs.
    let report = &stored.of_kind("closing_report")[0];
    assert_eq!(report["deleted"]["key"], 23, "{report}");
    assert_eq!(report["deleted"]["account"], 1, "{report}");
    assert!(report["finished_at"].is_string());

    // Whatever took an account's own item: what is left of it is found through the list of all.
    let id = AccountId::parse("stays").expect("an id");
    let lost = app.store.delete(&Key::account(&id), 2).await;
    lost.expect("deleted");
    let more = Bounds::default();
    // It may be one that is just being made: it is only noted.
    retention::run(&app, more).await.expect("it answers");
    assert_eq!(world.scan_table().await.of_kind("key").len(), 23);
    clock.fetch_add(24 * 3_600_000, SeqCst);
    let report = retention::run(&app, more).await.expect("it answers");
    assert_eq!(report["deleted"]["key"], 23, "{report}");
    let stored = world.scan_table().await;
    for kind in ["key", "directory"] {
        assert!(stored.of_kind(kind).is_empty(), "{kind}");
    }
    assert_eq!(stored.of_kind("closing_report").len(), 2);
    world.finish().await;
}
